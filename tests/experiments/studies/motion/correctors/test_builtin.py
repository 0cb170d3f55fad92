"""Correctors of the motion experiment that draw at random."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.studies.motion.correctors import own
from selfcorrect.experiments.studies.motion.correctors import table as corrector_table
from selfcorrect.experiments.studies.motion.correctors.builtin import (
    RandomVerifier,
    SampleCorrector,
    put_ground_on_floor,
)
from selfcorrect.experiments.studies.motion.correctors.own import CorrectorInputs, build_corrector
from selfcorrect.experiments.studies.motion.correctors.table import CorrectorRow
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.task import make_motion_task
from selfcorrect.loop.correctors.contract import call_corrector, lift, name_of
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.models.resampling import Copying
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm, run_loop, train_first_generation
from selfcorrect.loop.store.memory import MemoryStore
from selfcorrect.motion.editing.artefacts import raise_bodies
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.measures.sliding import find_footing
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.runtime.progress import silent
from selfcorrect.runtime.registry import Registry
from selfcorrect.simulators.presets import find_simulation


@pytest.mark.parametrize(("name", "value"), [("one+twice", 4.0), ("twice+one", 3.0), ("one+one+twice", 6.0)])
def test_stages_run_in_order(monkeypatch: pytest.MonkeyPatch, name: str, value: float):
    stages = {"one": lift(lambda values: values + 1), "twice": lift(lambda values: 2 * values)}
    rows = [CorrectorRow(stage_name, "", "") for stage_name in stages]
    table = Registry("corrector", rows)
    monkeypatch.setattr(table, "load", lambda stage_name: lambda inputs: stages[stage_name])
    for module in (own, corrector_table):
        monkeypatch.setattr(module, "CORRECTORS", table)
    corrector = build_corrector(name, None)  # type: ignore[arg-type]
    ones = Samples.synthetic(torch.ones(2, 3), torch.zeros(2, dtype=torch.int64), 0)
    corrected = call_corrector(corrector, ones, streams(0)).samples.values
    assert torch.equal(corrected, torch.full((2, 3), value))
    assert name_of(corrector) == name


@pytest.mark.parametrize("name", ["re-encoded", "floor"])
def test_controls_encode_every_sample_anew(clips, name: str):
    """Re-encoding makes rotations of samples orthonormal and leaves encoded motions unchanged."""
    walk = clips["walk"].frames(0, 16)
    sunk = replace(walk, root_m=walk.root_m - np.array([0.0, 0.3, 0.0]))
    hangs = replace(walk, root_m=walk.root_m + np.array([0.0, 0.8, 0.0]))
    codec = FeatureCodec.fit(MotionBatch.stack([walk, sunk, hangs]))
    values = codec.encode(MotionBatch.stack([walk, sunk, hangs]))
    rough = values + 0.1 * torch.randn(values.shape, generator=torch.Generator().manual_seed(0))
    samples = Samples.synthetic(rough, torch.zeros(3, dtype=torch.int64), 0)
    inputs = CorrectorInputs(codec, samples, None, streams(1), silent)  # type: ignore[arg-type]
    corrected = call_corrector(build_corrector(name, inputs), samples, streams(2))  # type: ignore[arg-type]
    assert corrected.accepted.all()
    after = codec.decode(corrected.samples.values)
    assert torch.allclose(codec.encode(after), corrected.samples.values, atol=1e-5)
    assert not torch.isclose(corrected.samples.values[..., 3:], rough[..., 3:], atol=1e-4).all(dim=2).any()
    before = codec.decode(rough)
    assert np.allclose(np.abs((before.rotations * after.rotations).sum(-1)), 1, atol=1e-6)
    raised_m = after.root_m - before.root_m
    assert np.allclose(raised_m, raised_m[:, :1], atol=1e-5)
    assert np.allclose(raised_m[..., [0, 2]], 0, atol=1e-5)
    if name == "re-encoded":
        assert np.allclose(raised_m, 0, atol=1e-5)
    else:
        errors = physical_errors(after)
        assert errors.penetration_m.max() == 0
        lowered = replace(after, root_m=after.root_m - np.array([0.0, 0.006, 0.0]))
        assert (physical_errors(lowered).penetration_m > 0).all()


@pytest.mark.slow
def test_residual_free_keeps_feasible(clips):
    """The corrector moves a walk that the verifier leaves unchanged; both reject the same walk in the air."""
    pytest.importorskip("mujoco")
    walk = clips["walk"].frames(0, 16)
    hangs = replace(walk, root_m=walk.root_m + np.array([0.0, 0.8, 0.0]))
    batch = MotionBatch.stack([walk, hangs])
    codec = FeatureCodec.fit(batch)
    samples = Samples.synthetic(codec.encode(batch), torch.zeros(2, dtype=torch.int64), 0)
    inputs = CorrectorInputs(codec, samples, None, streams(1), silent, engine="mujoco")  # type: ignore[arg-type]
    corrector = build_corrector("residual-free", inputs)  # type: ignore[arg-type]
    verifier = build_corrector("residual-free-verifier", inputs)  # type: ignore[arg-type]
    corrected = call_corrector(corrector, samples, streams(2))
    verified = call_corrector(verifier, samples, streams(2))
    assert corrected.accepted.tolist() == verified.accepted.tolist() == [True, False]
    assert torch.equal(verified.samples.values, samples.values)
    assert not torch.allclose(corrected.samples.values[0], samples.values[0], atol=1e-3)
    assert corrected.info["residual_force_bodyweights"][0] == 0.0
    assert "fell" in corrected.info["reason"][1]


def test_physics_uses_run_simulation(clips):
    codec = FeatureCodec.fit(MotionBatch.stack([clips["walk"].frames(0, 12), clips["walk"].frames(2, 14)]))
    for simulation in ("fast", "fine"):
        inputs = CorrectorInputs(codec, None, None, streams(0), silent, simulation=simulation)  # type: ignore[arg-type]
        corrector = build_corrector("physics", inputs)
        assert isinstance(corrector, SampleCorrector)
        assert corrector.pipeline == find_simulation(simulation, "pybullet")


def test_random_verifier_keeps_share():
    samples = Samples.synthetic(torch.zeros(400, 3), torch.zeros(400, dtype=torch.int64), 0)
    once = call_corrector(RandomVerifier(0.3), samples, streams(1)).accepted
    repeated = call_corrector(RandomVerifier(0.3), samples, streams(1)).accepted
    from_another_stream = call_corrector(RandomVerifier(0.3), samples, streams(2)).accepted
    assert torch.equal(once, repeated)
    assert not torch.equal(once, from_another_stream)
    assert 0.2 < once.double().mean() < 0.4
    assert call_corrector(RandomVerifier(1.0), samples, streams(1)).accepted.all()


@pytest.mark.parametrize("name", ["sunk", "sliding", "jittery", "uneven"])
def test_damage_has_stated_size(clips, name: str):
    walk = clips["walk"].frames(0, 16)
    codec = FeatureCodec.fit(MotionBatch.stack([walk] * 64))
    samples = Samples.synthetic(codec.encode(MotionBatch.stack([walk] * 64)), torch.zeros(64, dtype=torch.int64), 0)
    inputs = CorrectorInputs(codec, samples, None, streams(1), silent)  # type: ignore[arg-type]
    damaged = call_corrector(build_corrector(name, inputs), samples, streams(2))  # type: ignore[arg-type]
    moved_m = codec.decode(damaged.samples.values).root_m - codec.decode(samples.values).root_m
    if name == "sunk":
        assert np.allclose(moved_m, [0, -0.02, 0], atol=1e-5)
    elif name == "sliding":
        seconds = 15 / walk.fps
        assert np.linalg.norm(moved_m[:, -1], axis=1) == pytest.approx(np.full(64, 0.1 * seconds), abs=1e-4)
        assert np.abs(moved_m[:, -1].mean(0)).max() < 0.05 * seconds
    elif name == "jittery":
        assert moved_m[..., 1].std() == pytest.approx(0.005, rel=0.1)
    else:
        assert np.allclose(moved_m, moved_m[:, :1], atol=1e-5)
        assert moved_m[:, 0, 1].std() == pytest.approx(0.05, rel=0.3)
        assert np.allclose(moved_m[..., [0, 2]], 0, atol=1e-5)


def test_ground_control_finds_floor(clips: dict[str, Motion]):
    """Walks at any height end at the same one, with their feet near the floor, and nothing else changes."""
    walk = clips["walk"]
    heights_m = np.array([-0.3, -0.05, 0.0, 0.05])
    moved = put_ground_on_floor(raise_bodies(MotionBatch.stack([walk] * 4), heights_m))
    np.testing.assert_allclose(moved.root_m[1:3], moved.root_m[[0, 0]], atol=1e-6)
    np.testing.assert_allclose(moved.root_m[..., [0, 2]], np.repeat(walk.root_m[None, :, [0, 2]], 4, axis=0))
    assert abs(np.median(find_footing(moved).lowest_m)) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize(("damage", "key"), [("sunk", "penetration_mm"), ("uneven", "fid_ground")])
def test_damage_accumulates_and_is_undone(damage: str, key: str):
    """Damage is carried on exactly in a copying loop, the small form of the preset `damage`."""
    settings = replace(PRESETS["damage"], real_count=32, evaluated_count=32, generations=3)
    task = make_motion_task(settings, "small-dct-mlp", streams(0))
    copies = replace(task, model=Copying(task.real))
    inputs = CorrectorInputs(task.codec, task.real, task.model, streams(1), silent)
    scores = {}
    for name in ("none", damage, f"{damage}+floor", "floor"):
        chosen = build_corrector(name, inputs)
        arm = Arm(Replace(), 3, correction=None if chosen is None else Correction(chosen))
        first = MemoryStore()
        train_first_generation(copies, first, streams(0))
        kept = MemoryStore()
        run_loop(copies, arm, kept, first, streams(0))
        scores[name] = [kept.metrics(generation)[key] for generation in (1, 2, 3)]
    added = np.subtract(scores[damage], scores["none"])
    assert (np.diff(added) > 0).all(), added  # the damage of each generation adds to the last
    left = scores[f"{damage}+floor"][-1] - scores["floor"][-1]
    assert left < 0.35 * added[-1]
