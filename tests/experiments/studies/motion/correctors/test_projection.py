"""The projection moves what sinks or slides, as little as possible, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from selfcorrect.core.samples import Samples
from selfcorrect.experiments.studies.motion.correctors.contact_forces import ContactWrench, ForceModel
from selfcorrect.experiments.studies.motion.correctors.projection import Projector, SurfaceBody, minimise_each
from selfcorrect.experiments.studies.motion.task import (
    JOINTS_MOVED,
    JOINTS_MOVED_WITHIN,
    JOINTS_TURNED,
    measure_displacement,
)
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.measures.sliding import find_footing, measure_slide_m_s
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.simulators.settings.plan import PLAN


@pytest.fixture(scope="module")
def walks(clips) -> MotionBatch:
    walk = clips["walk"]
    return MotionBatch.stack([walk.frames(start, start + 24) for start in (0, 4, 8)])


@pytest.fixture(scope="module")
def projector(walks: MotionBatch) -> Projector:
    codec = FeatureCodec.fit(walks)
    return Projector(codec, codec)


def test_minimum_of_each_quadratic() -> None:
    """Rows have different minima and curvatures; each is found as if it were alone."""
    generator = torch.Generator().manual_seed(0)
    minima = torch.randn(3, 5, generator=generator)
    curvatures = torch.tensor([[0.1], [1.0], [300.0]]) * (1 + torch.rand(3, 5, generator=generator))

    def measure(rows: torch.Tensor) -> torch.Tensor:
        return (curvatures[: len(rows)] * (rows - minima[: len(rows)]).square()).sum(1)

    found = minimise_each(measure, torch.zeros(3, 5), 60)
    torch.testing.assert_close(found, minima, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(minimise_each(measure, torch.zeros(1, 5), 60), found[:1], atol=1e-5, rtol=1e-5)


def test_standing_body_is_not_moved(walks: MotionBatch, projector: Projector) -> None:
    """A body that stands still on the floor breaks nothing, and neither does one whose arms shake."""
    pose = walks.rotations[:, :1]
    still = replace(walks, root_m=np.repeat(walks.root_m[:, :1], 24, 1), rotations=np.repeat(pose, 24, 1))
    lifted_m = -find_footing(still).lowest_m[..., None] * np.array([0, 1, 0])
    still = replace(still, root_m=still.root_m + lifted_m)
    shaking = still.rotations.copy()
    elbow = still.skeleton.parts.index("left_elbow")
    shaking[:, ::2, elbow] = np.array([np.sin(0.1), 0, 0, np.cos(0.1)])
    for motions in (still, replace(still, rotations=shaking)):
        moved_m = joint_positions(projector.project(motions)) - joint_positions(motions)
        moved_m -= moved_m[:, :1, :1] * np.array([1, 0, 1])  # features do not hold the horizontal position
        assert abs(moved_m).max() < 1e-3


@pytest.mark.parametrize("sunk_m", [0.02, 0.06])
def test_sunk_body_is_raised(walks: MotionBatch, projector: Projector, sunk_m: float) -> None:
    sunk = replace(walks, root_m=walks.root_m - np.array([0, sunk_m, 0]))
    before_m = physical_errors(sunk).penetration_m
    after_m = physical_errors(projector.project(sunk)).penetration_m
    assert (before_m > 0.6 * sunk_m).all()
    assert (after_m < 0.008).all()


@pytest.mark.parametrize("height_m", [0.03, 0.3])
def test_floating_body_is_lowered(walks: MotionBatch, projector: Projector, height_m: float) -> None:
    floating = replace(walks, root_m=walks.root_m + np.array([0, height_m, 0]))
    lowest_m = find_footing(projector.project(floating)).lowest_m.min(1)
    assert (lowest_m < 0.3 * height_m).all()
    assert (lowest_m > -0.01).all()


def test_sliding_body_stands(walks: MotionBatch, projector: Projector) -> None:
    """A body that is drawn along the floor is stopped, and its joints hardly turn."""
    drawn_m = np.linspace(0, 0.3, 24)[:, None] * np.array([1.0, 0.0, 0.0])
    sliding = replace(walks, root_m=walks.root_m + drawn_m)
    projected = projector.project(sliding)
    before, after = measure_slide_m_s(sliding), measure_slide_m_s(projected)
    assert (after < 0.5 * before).all()
    figures = measure_displacement(projector.codec, *(samples_of(projector, each) for each in (sliding, projected)))
    assert figures[JOINTS_TURNED] < 3


def test_rows_are_projected_by_themselves(walks: MotionBatch, projector: Projector) -> None:
    sunk = replace(walks, root_m=walks.root_m - np.array([0, 0.05, 0]))
    together = projector.codec.encode(projector.project(sunk))
    alone = projector.codec.encode(projector.project(MotionBatch.stack([sunk[1]])))
    torch.testing.assert_close(alone[0], together[1], atol=0.02, rtol=0)


def samples_of(projector: Projector, motions: MotionBatch) -> Samples:
    return Samples.synthetic(projector.codec.encode(motions), None, 0)


def test_displacement_of_known_moves(walks: MotionBatch, projector: Projector) -> None:
    raised = replace(walks, root_m=walks.root_m + np.array([0, 0.1, 0]))
    figures = measure_displacement(projector.codec, samples_of(projector, walks), samples_of(projector, raised))
    assert figures[JOINTS_MOVED] == pytest.approx(100, abs=0.1)
    assert figures[JOINTS_MOVED_WITHIN] == pytest.approx(0, abs=0.1)
    assert figures[JOINTS_TURNED] == pytest.approx(0, abs=0.1)
    head = walks.skeleton.parts.index("neck")
    nodding = walks.rotations.copy()
    nodding[:, :, head] = np.array([np.sin(np.radians(5)), 0, 0, np.cos(np.radians(5))])
    still = walks.rotations.copy()
    still[:, :, head] = np.array([0, 0, 0, 1])
    pair = [samples_of(projector, replace(walks, rotations=rotations)) for rotations in (still, nodding)]
    turned = measure_displacement(projector.codec, *pair)[JOINTS_TURNED]
    assert turned == pytest.approx(10 / np.sqrt(len(walks.skeleton)), abs=0.05)


def test_force_of_a_still_body_is_its_weight(walks: MotionBatch, projector: Projector) -> None:
    """A body at rest demands its weight; contacts that carry it elsewhere leave a known moment."""
    values = projector.codec.encode(walks)[:, :1].expand(-1, 24, -1).clone()
    values[..., :2] = -(projector.codec.mean / projector.codec.std)[:2]  # no horizontal velocity
    model = ForceModel.from_skeleton(walks.skeleton, 24, walks.fps)
    body = SurfaceBody.from_skeleton(walks.skeleton)
    pose = body.pose(values.float(), projector.codec)
    centre_m = model.find_centre_m(*pose)
    weight = torch.tensor([0.0, 1.0, 0.0]).expand(len(walks), 24, 3)
    for shift_m in (0.0, 0.1):
        place_m = centre_m + torch.tensor([shift_m, 0.0, 0.0])
        contacts = ContactWrench(weight, torch.linalg.cross(place_m, weight), np.zeros((len(walks), 24)))
        missing = model.measure(*pose, contacts)
        expected = torch.full_like(missing, PLAN.contacts.moment_weight * shift_m)
        torch.testing.assert_close(missing, expected, atol=2e-3, rtol=0)
    missing = model.measure(*pose, ContactWrench(0 * weight, 0 * weight, np.zeros((len(walks), 24))))
    torch.testing.assert_close(missing, torch.ones_like(missing), atol=2e-3, rtol=0)


def test_forces_agree_with_inverse_dynamics(clips) -> None:
    """On motions with turns and flight, what contacts leave unexplained equals that of the planner."""
    motions = MotionBatch.stack([clips[name].frames(0, 24) for name in ("walk", "jump")])
    codec = FeatureCodec.fit(motions)
    model = ForceModel.from_skeleton(motions.skeleton, 24, motions.fps)
    decoded = codec.decode(codec.encode(motions))
    contacts = model.find_contacts(decoded)
    pose = SurfaceBody.from_skeleton(motions.skeleton).pose(codec.encode(decoded).float(), codec)
    np.testing.assert_allclose(model.measure(*pose, contacts).numpy(), contacts.unexplained, atol=0.05)


def test_pushed_body_is_carried(walks: MotionBatch, projector: Projector) -> None:
    """A body that shakes up and down is moved until contacts can carry it, and little more."""
    model = ForceModel.from_skeleton(walks.skeleton, 24, walks.fps)
    free = float(model.find_contacts(walks).unexplained.mean())
    shaking_m = 0.02 * np.sin(np.arange(24) * 2.0)[:, None] * np.array([0.0, 1.0, 0.0])
    shaken = replace(walks, root_m=walks.root_m + shaking_m)
    with_forces = replace(projector, free_force_bodyweights=free)
    carried = with_forces.project(shaken)
    before, without, after = (
        model.find_contacts(motions).unexplained.mean() for motions in (shaken, projector.project(shaken), carried)
    )
    assert after - free < 0.4 * (before - free)
    assert after < 0.6 * without
    for motions, projected, limit_m in ((walks, with_forces.project(walks), 0.01), (shaken, carried, 0.04)):
        moved_m = joint_positions(projected) - joint_positions(motions)
        moved_m -= moved_m[:, :1, :1] * np.array([1, 0, 1])  # features do not hold the horizontal position
        assert np.abs(moved_m).mean() < limit_m
