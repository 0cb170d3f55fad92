"""Parts of example loops give known answers.

A command runs and resumes them as files.
"""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import LOOPS, assert_is_a_model_for_loops, load_loop
from toy_data.draws import eight_gaussians
from toy_models.circle import draw_circle, measure_modes
from toy_models.ways import make_arm

from selfcorrect.commands.toy import ToyCommand
from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.experiments.studies.toy.study import load_settings, load_toys
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import LoopHistory
from selfcorrect.loop.store.memory import MemoryStore

STREAM = streams(4)
PLANE = Samples.real(eight_gaussians(400, STREAM))


def test_kernel_densities_widen() -> None:
    """Kernel densities agree with a plain simulation.

    Each new point is a point of the past with noise.
    """
    size = 12
    generations = 4
    seeds = 4000
    generator = np.random.default_rng(0)
    points = generator.normal(size=(seeds, size))
    variances = [points.var(axis=1).mean()]
    for _ in range(generations):
        rows = generator.integers(points.shape[1], size=(seeds, size))
        bandwidth = points.shape[1] ** (-1 / 5) * points.std(axis=1, keepdims=True)
        new = np.take_along_axis(points, rows, axis=1) + bandwidth * generator.normal(size=rows.shape)
        points = np.concatenate([points, new], axis=1)
        variances.append(points.var(axis=1).mean())
    predicted = load_loop("kazdan-density").accumulated_variance(size, generations)
    assert variances == pytest.approx(predicted, rel=0.05)
    assert predicted[-1] > 1.2 * predicted[0]


# --- the command ---

LOOP = '''
"""Means of a Gaussian."""

from dataclasses import dataclass

import torch

import selfcorrect as sc


@dataclass(frozen=True)
class Settings(sc.toys.ToySettings):
    generations: int = 3
    seeds: int = 4


QUICK = Settings(generations=2)


def measure(candidate):
    return {"spread": candidate.samples(50).values.std()}


def toy(settings):
    def set_up(stream):
        real = sc.Samples.real(torch.randn(20, 2, generator=stream.child("real").generator()))
        task = sc.Task(sc.Gaussian.standard(2), real, measure)
        return sc.toys.Setup(task, {"replace": sc.Arm(sc.Replace(), settings.generations)})

    return sc.toys.Toy(
        [sc.toys.bundle_seeds(settings, set_up)],
        [sc.claims.expect_below("the spread falls", sc.claims.final_change("replace", "spread"))],
        [sc.toys.Column("spread", "spread")],
        title="A loop of my own",
        source="nobody",
    )
'''


FAILING = LOOP.replace("def toy(settings):", "def toy(settings):\n    settings.size")


@pytest.mark.slow
def test_file_runs_and_resumes(tmp_path: Path) -> None:
    (tmp_path / "my_loop.py").write_text(LOOP)
    command = ToyCommand((LOOPS["linear"], str(tmp_path / "my_loop.py")), tmp_path / "run", quick=True, workers=2)
    assert command.run() == 0
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert [(row["name"], row["source"]) for row in results][1] == ("my-loop", "nobody")
    assert "A loop of my own" in (tmp_path / "run" / "report.html").read_text()
    measured = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("measured.json")}
    assert command.run() == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("measured.json")} == measured


def test_changed_file_reruns(tmp_path: Path) -> None:
    (tmp_path / "changed_loop.py").write_text(LOOP)
    command = ToyCommand((str(tmp_path / "changed_loop.py"),), tmp_path / "run", quick=True, workers=1)
    command.run()
    first = {path.parent for path in (tmp_path / "run").rglob("measured.json")}
    (tmp_path / "changed_loop.py").write_text(LOOP.replace("candidate.samples(50)", "candidate.samples(51)"))
    command.run()
    assert {path.parent for path in (tmp_path / "run").rglob("measured.json")} - first


def test_module_beside_file_counts(tmp_path: Path) -> None:
    file = tmp_path / "loop_with_module.py"
    beside = tmp_path / "spread_beside.py"
    definition = LOOP[LOOP.index("def measure") : LOOP.index("def toy")]
    file.write_text(LOOP.replace(definition, "from spread_beside import measure\n\n\n"))
    digests = []
    for text in (definition, definition, definition.replace("50", "51")):
        beside.write_text(text)
        (toy,) = load_toys([(str(file), load_settings(str(file)))]).values()
        digests.append(toy.digest)
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import no_such_module", r"broken_loop\.py cannot be imported: ModuleNotFoundError: .*no_such_module"),
        ("1 / 0", r"broken_loop\.py cannot be imported: ZeroDivisionError"),
        ("QUICK = 1", r"broken_loop\.py has no toy; a toy loop needs"),
        (FAILING, r"broken_loop\.py: toy\(settings\) failed: AttributeError"),
        (None, r"broken_loop\.py: no such file"),
    ],
)
def test_file_without_loop_raises(text: str | None, message: str, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "broken_loop.py").write_text(text)
    with pytest.raises(SettingError, match=message):
        ToyCommand((str(tmp_path / "broken_loop.py"),), tmp_path / "run", quick=True).run()


def test_stability_map_may_lack_cells() -> None:
    stability = load_loop("stability")
    for ratios in ((0.1, 0.2), (0.1, 5.0)):
        settings = replace(stability.QUICK, ratios=ratios, strengths=(0.0, 1.0))
        axes = stability.StabilityMap(settings, 1.0, np.ones((2, 2))).draw().axes[0]
        (crosses,) = (line for line in axes.lines if line.get_label() == "theorem silent")
        assert sorted(crosses.get_xydata().tolist()) == [
            [ratio, gamma] for ratio in ratios[1:] for gamma in (0, 1) if ratio > 1
        ]


# --- models ---


def test_example_models_keep_contract() -> None:
    assert_is_a_model_for_loops(load_loop("density-ratio").KernelDensity.empty(2), PLANE, 1)
    assert_is_a_model_for_loops(
        load_loop("imperfect-verifier").make_flow(16), PLANE.with_values(PLANE.values.float()), 3
    )
    points = torch.randn((20, 16), generator=STREAM.generator(), dtype=torch.float64)
    assert_is_a_model_for_loops(load_loop("lineages").Memoriser.create(), Samples.real(points), 1)


def test_bandwidth_follows_scott() -> None:
    model = load_loop("density-ratio").KernelDensity.empty(2).fit(PLANE, 0, STREAM)
    values = model.sample(torch.zeros(20_000), STREAM)
    expected = PLANE.values.var(0, correction=0) * (1 + 400 ** (-1 / 3))
    assert values.var(0).numpy() == pytest.approx(expected.numpy(), rel=0.04)


LABELS = torch.tensor([0, 1]).repeat(6000)


def fit_memoriser(**knobs: float) -> object:
    points = torch.zeros(5, 16, dtype=torch.float64)
    points[:, 0] = torch.tensor([0.0, 1.0, 2.0, 10.0, 20.0])
    samples = Samples.real(points, torch.tensor([0, 0, 0, 1, 1]))
    return replace(load_loop("lineages").Memoriser.create(), **knobs).fit(samples, 0, STREAM)


def test_the_knobs_of_a_memoriser() -> None:
    noisy = fit_memoriser(bandwidth=0.1).sample(LABELS[:1].repeat(9000), STREAM)[:, 0]
    assert noisy.var() == pytest.approx(2 / 3, abs=0.03)
    pulled = fit_memoriser(pull=0.2).sample(LABELS[1::2], STREAM)[:, 0]
    assert set(pulled.tolist()) == {11.0, 19.0}
    preferred = fit_memoriser(preference=2.0).sample(LABELS[::2], STREAM)[:, 0]
    assert (preferred == 1).double().mean() > 0.6
    many = Samples.real(torch.zeros(5000, 16))
    chances = fit_memoriser(unevenness=0.67).fit(many, 0, STREAM).chances
    assert chances.var() / chances.mean() ** 2 == pytest.approx(0.67, rel=0.1)
    assert np.isclose(chances.mean(), 1, atol=0.06)
    assert fit_memoriser().fit(many, 0, STREAM).chances.var() == 0


# --- policies and judges ---


def test_exchange_is_equal() -> None:
    values = torch.arange(3.0)[None, None, :, None].expand(6, 2, 3, 1)
    history = LoopHistory(MemoryStore(), 1, Samples.synthetic(values, None, 1))
    mixed = load_loop("crossfeed").Exchange(Replace()).mix(Samples.real(values), history, 1, streams(0)).values
    for model in range(3):
        assert sorted(mixed[:, 0, model, 0].tolist()) == [0.0, 0.0, 1.0, 1.0, 2.0, 2.0]


def test_modes_are_counted() -> None:
    real = draw_circle(96, streams(1))
    assert measure_modes(real.values) == {"coverage": 1.0, "precision": 1.0}
    assert real.values.var(dim=0).mean() == pytest.approx(1, abs=0.05)
    half = torch.cat([real.values[::12], torch.zeros(8, 1, 2)])  # one mode, and the middle, which is empty
    assert measure_modes(half) == {"coverage": pytest.approx(1 / 12), "precision": 0.5}


def test_retraining_starts_untrained() -> None:
    tuned = make_arm("fully synthetic", 1, 3, 2)
    anew = make_arm("fully synthetic, trained anew", 1, 3, 2)
    assert (tuned.from_scratch, tuned.steps) == (False, 2)
    assert (anew.from_scratch, anew.steps) == (True, 3)


@pytest.mark.parametrize("strength", [0.0, 1 / 3, 3.0, math.inf])
@pytest.mark.parametrize("remaining", [0.0, 0.4])
def test_corrected_loop_settles_at_dilution(strength: float, remaining: float) -> None:
    real_only = 5.0
    corrected_only = 2.0
    moved = 1 - 1 / (1 + strength)
    for ratio in (0.25, 4.0):
        level = real_only
        for _ in range(200):
            synthetic = (1 - moved) * level + moved * (corrected_only + remaining * (level - corrected_only))
            level = (real_only + ratio * synthetic) / (1 + ratio)
        assert load_loop("dilution").diluted_level(
            real_only, corrected_only, ratio, strength, remaining
        ) == pytest.approx(level)


def test_dilution_limits() -> None:
    ends = load_loop("dilution").diluted_level(5.0, 2.0, np.array([0.0, 1.0, math.inf]))
    assert ends.tolist() == [5.0, 3.5, 2.0]
    assert load_loop("dilution").diluted_level(5.0, 2.0, 3.0, strength=0.0) == 5.0, (
        "what nobody corrects changes nothing"
    )
    assert load_loop("dilution").diluted_level(5.0, 2.0, 4.0, 1.0, 0.5) == 3.5
