"""Corrections do not depend on how motions were captured.

Side, heading, place, unit, joint order and company do not matter.
"""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from ground_motions import repeat_walk
from made_motions import made_motion, make_symmetric, wander
from turned_joints import shift

import selfcorrect as sc
from selfcorrect.datasets.collections.cmu import list_cmu_clips
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.datasets.load import load_motion
from selfcorrect.motion.editing.transforms import mirror
from selfcorrect.motion.geometry.rotations import from_euler_angles
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.views import JointOrder, TurnedWorld
from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector, correct_through_views
from selfcorrect.simulators.pipeline import Pipeline
from selfcorrect.simulators.presets import find_preset
from selfcorrect.simulators.settings.tracker import RESIDUAL_FREE, STRENGTHS, EngineSettings, TrackerSettings

ALIKE_M = 1e-3
SHIFT_M = np.array([3.0, 0.0, -7.0])
TURN = TurnedWorld(from_euler_angles("Y", np.array([137.0])))
SLOPE = TurnedWorld(from_euler_angles("Z", np.array([6.0])))
CLIPS = ("10_01", "16_22")
"""Walks of the test subjects."""
SIBLINGS = ("01_01", "13_31", "49_12", "60_15", "61_13")
"""Long captures of the training subjects in which each foot stands at heights that differ by less than 5 cm."""
_AWAY_FRAMES = 15
"""Frames at both ends that two more frames may change."""


CHANGES: dict[str, tuple[Callable[[Motion], Motion], Callable[[Motion], Motion]]] = {
    "mirror image": (mirror, mirror),
    "heading": (TURN.view, TURN.restore),
    "place": (lambda motion: shift(motion, SHIFT_M), lambda motion: shift(motion, -SHIFT_M)),
}
"""Changes of a capture, with the way back."""


def change_all(motion: Motion) -> Motion:
    """Change side, heading and place."""
    for do, _ in CHANGES.values():
        motion = do(motion)
    return motion


def undo_all(motion: Motion) -> Motion:
    for _, undo in reversed(CHANGES.values()):
        motion = undo(motion)
    return motion


def correct(motion: Motion) -> Motion:
    return sc.correct(motion, kinematic=True).motion


def assert_commutes(motion: Motion, change: str, *, moves: bool) -> None:
    """Check that a correction commutes with a change.

    The correction is also checked to move joints relative to the whole motion, or not to, as `moves` says.
    """
    do, undo = CHANGES[change]
    expected_m = joint_positions(correct(motion))
    moved_m = expected_m - joint_positions(motion)
    assert (np.abs(moved_m - np.median(moved_m, axis=(0, 1))).max() > ALIKE_M) == moves
    np.testing.assert_allclose(joint_positions(undo(correct(do(motion)))), expected_m, atol=ALIKE_M)


@pytest.fixture(scope="module")
def walks(walk: Motion) -> dict[str, Motion]:
    """A crude walk, a real one, both spoiled, and the real one up a slope."""
    real = make_symmetric(repeat_walk(walk, 4))
    made = made_motion("walk", frames=90)
    return {
        "made": made,
        "real": real,
        "made, spoiled": wander(made, 1),
        "real, spoiled": wander(real, 2),
        "real, uphill": SLOPE.view(real),
    }


@pytest.mark.parametrize(("name", "change"), [*product(["made", "real", "made, spoiled", "real, spoiled"], CHANGES)])
def test_corrections_of_walks_commute(walks: dict[str, Motion], name: str, change: str) -> None:
    assert_commutes(walks[name], change, moves=name != "real")


@pytest.mark.parametrize("change", CHANGES)
def test_slope_does_not_depend_on_the_place(walks: dict[str, Motion], change: str) -> None:
    do, undo = CHANGES[change]
    corrected = sc.correct(walks["real, uphill"], kinematic=True)
    assert corrected.world.plane.is_tilted
    expected_m = joint_positions(corrected.motion)
    np.testing.assert_allclose(joint_positions(undo(correct(do(walks["real, uphill"])))), expected_m, atol=ALIKE_M)


def test_slope_starts_as_a_level_floor(walks: dict[str, Motion]) -> None:
    """On a slope, a body is moved as on a level floor.

    This holds however far the slope takes it up or down.
    """
    moved_m = []
    for name in ("real", "real, uphill"):
        rise_m = correct(walks[name]).root_m[:10, 1] - walks[name].root_m[:10, 1]
        moved_m.append(float(np.median(rise_m)))
    level_m, uphill_m = moved_m
    assert abs(uphill_m - level_m) < 0.015


def list_captures(**known_faults: str) -> list[object]:
    """Return twenty captures, of which one stands for all in quick runs."""
    names = ("01_01", "05_06", "05_14", "06_02", "06_10", "07_03", "07_11", "13_13", "13_31", "13_39", "35_05", "35_13",
             "35_21", "35_30", "49_04", "49_12", "49_20", "60_06", "60_15", "61_09")  # fmt: skip
    quick = {"60_06"}
    captures = []
    for name in names:
        marks = [] if name in quick else [pytest.mark.slow]
        if reason := known_faults.get(f"_{name}"):
            marks.append(pytest.mark.xfail(reason=reason, strict=False))
        captures.append(pytest.param(name, marks=marks))
    return captures


@pytest.fixture
def capture(cmu: Path, request: pytest.FixtureRequest) -> Motion:
    """Four seconds of a capture."""
    motion = load_motion(cmu / "train" / f"{request.param}.bvh")
    return make_symmetric(motion.frames(0, min(len(motion), 120)))


@pytest.mark.parametrize("capture", list_captures(_06_10="joints differ by up to 7 mm"), indirect=True)
def test_captures_are_corrected_alike(capture: Motion) -> None:
    """Place, heading, side, order and names of joints do not matter, on a level floor and, together, up a slope."""
    together = {"together": (change_all, undo_all)}
    for motion, changes in ((capture, CHANGES), (SLOPE.view(capture), together)):
        corrected = correct(motion)
        expected_m = joint_positions(corrected)
        for do, undo in changes.values():
            np.testing.assert_allclose(joint_positions(undo(correct(do(motion)))), expected_m, atol=ALIKE_M)
        order = depth_first(motion, last_first=True)
        reordered = rename_joints(JointOrder(motion.skeleton, order).view(motion))
        np.testing.assert_allclose(joint_positions(correct(reordered)), expected_m[:, order], atol=ALIKE_M)


@pytest.mark.parametrize("capture", list_captures(_05_06="legs move by up to 27 mm again"), indirect=True)
def test_second_corrections_of_captures_are_idle(capture: Motion) -> None:
    first = correct(capture)
    np.testing.assert_allclose(joint_positions(correct(first)), joint_positions(first), atol=ALIKE_M)


@pytest.mark.parametrize("name", ["60_06", *(pytest.param(name, marks=pytest.mark.slow) for name in SIBLINGS)])
def test_siblings_get_one_level(cmu: Path, name: str) -> None:
    """Clips of one recording, which has one floor, are moved to zero by the same height."""
    motion = load_motion(cmu / "train" / f"{name}.bvh")
    siblings = [motion.frames(start, start + 120) for start in range(0, min(len(motion), 480) - 119, 120)]
    moved_m = [sc.correct(sibling, kinematic=True).floor.moved_m for sibling in siblings]
    assert len(moved_m) > 1
    assert np.ptp(moved_m) < 0.015


@pytest.mark.parametrize("capture", list_captures(), indirect=True)
def test_files_do_not_matter(capture: Motion, tmp_path: Path) -> None:
    """A capture is corrected alike from metres, inches and another format, and in a folder with others."""
    write_bvh(tmp_path / "in" / "metres.bvh", clip_of(capture, 1.0))
    write_bvh(tmp_path / "in" / "inches.bvh", clip_of(capture, 0.0254))
    save_motion(tmp_path / "in" / "a.glb", capture)
    results_m = {}
    for path in (tmp_path / "in").iterdir():
        moved = correct(load_motion(path))
        joints = [moved.skeleton.names.index(name) for name in capture.skeleton.names]
        results_m[path.name] = joint_positions(moved, joints)
    alone_m = results_m.pop("metres.bvh")
    for result_m in results_m.values():
        apart_m = np.linalg.norm(result_m - alone_m, axis=-1)
        assert np.percentile(apart_m, 98) < ALIKE_M
    (tmp_path / "in" / "a.glb").unlink()
    sc.correct_files([tmp_path / "in"], tmp_path / "out", kinematic=True, verify=False)
    in_folder = load_motion(tmp_path / "out" / "metres.bvh")
    joints = [in_folder.skeleton.names.index(name) for name in capture.skeleton.names]
    np.testing.assert_allclose(joint_positions(in_folder, joints), alone_m, atol=ALIKE_M)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "change"), [(CLIPS[0], "mirror image"), (CLIPS[1], "mirror image"), (CLIPS[1], "heading")]
)
def test_corrections_of_captures_commute(cmu: Path, name: str, change: str) -> None:
    clip = next(clip for clip in list_cmu_clips(cmu, "test") if clip.name == name)
    assert_commutes(make_symmetric(clip.read()[0].frames(0, 240)), change, moves=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", CLIPS)
@pytest.mark.parametrize("left_out", [slice(2, None), slice(None, -2)], ids=["first", "last"])
def test_end_frames_change_little(cmu: Path, name: str, left_out: slice) -> None:
    """Frames left out at the ends change little.

    A stance there may change; every other frame stays within the error of a capture.
    """
    clip = next(clip for clip in list_cmu_clips(cmu, "test") if clip.name == name)
    motion = clip.read()[0].frames(0, 240)
    first, stop, _ = left_out.indices(len(motion))
    moved_m = joint_positions(correct(motion))[left_out] - joint_positions(correct(motion.frames(first, stop)))
    furthest_m = np.linalg.norm(moved_m, axis=-1).max(axis=1)
    assert np.median(furthest_m) < 0.005
    assert furthest_m[_AWAY_FRAMES:-_AWAY_FRAMES].max() < 0.025


def test_unit_does_not_matter(walks: dict[str, Motion], tmp_path: Path) -> None:
    results_m = []
    for unit_m in (0.01, 1.0):
        path = tmp_path / f"{unit_m}.bvh"
        write_bvh(path, clip_of(walks["made, spoiled"], unit_m))
        results_m.append(joint_positions(correct(sc.load_motion(path))))
    apart_m = np.linalg.norm(results_m[0] - results_m[1], axis=-1)
    assert np.percentile(apart_m, 98) < ALIKE_M
    assert apart_m.max() < 0.01  # where jerk is at the bound of what is taken back, rounding decides


@pytest.mark.slow
def test_other_files_do_not_matter(walks: dict[str, Motion], tmp_path: Path) -> None:
    names = list(walks)
    written = []
    for order in (names, names[::-1]):
        folder = tmp_path / f"from {order[0]}"
        for number, name in enumerate(order):
            save_motion(folder / f"{number}.bvh", walks[name])
        sc.correct_files([folder], folder / "out", kinematic=True)
        results = {name: (folder / "out" / f"{number}.bvh").read_bytes() for number, name in enumerate(order)}
        written.append(results)
    assert written[0] == written[1]


def assert_turns_along(pipeline: Pipeline, motion: Motion) -> None:
    """Check that joints and figures turn along.

    Joints agree within 1 mm, figures within 1 %.
    """
    (expected,) = correct_through_views([motion], pipeline)
    assert expected.accepted
    assert expected.forces.residual
    (turned,) = correct_through_views([TURN.view(motion)], pipeline)
    positions_m = joint_positions(TURN.restore(turned.motion))
    assert np.allclose(positions_m, joint_positions(expected.motion), atol=1e-3)
    for figures, expected_figures in (
        (turned.forces.residual, expected.forces.residual),
        (turned.after, expected.after),
    ):
        assert figures == pytest.approx(dict(expected_figures), rel=0.01, abs=1e-6)


@pytest.mark.parametrize("strength", [*STRENGTHS, "simulated"])
def test_heading_keeps_simulation(walk: Motion, engine: str, strength: str):
    pipeline = replace(find_preset(strength, engine), postprocess=(), simulate="always")
    assert_turns_along(pipeline, walk)


def test_heading_does_not_matter(walk: Motion, engine: str):
    pipeline = replace(find_preset("balanced", engine), simulate="always")
    assert_turns_along(pipeline, walk)


@pytest.mark.slow
def test_heading_keeps_residual_free(walk: Motion):
    pytest.importorskip("mujoco")
    assert_turns_along(find_preset(RESIDUAL_FREE), walk)


def depth_first(motion: Motion, last_first: bool) -> np.ndarray:
    """Return joints depth first, siblings in either order."""

    def list_descendants(joint: int) -> list[int]:
        children = motion.skeleton.children[joint]
        return [
            joint,
            *(joint for child in (children[::-1] if last_first else children) for joint in list_descendants(child)),
        ]

    return np.array(list_descendants(0))


def in_usual_order(motion: Motion) -> Motion:
    return JointOrder.canonical(motion.skeleton).view(motion)


def rename_joints(motion: Motion) -> Motion:
    names = tuple(f"bone {len(motion.skeleton) - joint}" for joint in range(len(motion.skeleton)))
    return replace(motion, skeleton=replace(motion.skeleton, names=names))


def test_smpl_is_in_order_already(adult):
    assert JointOrder.canonical(adult).order.tolist() == list(range(22))


@pytest.mark.parametrize("last_first", [False, True])
def test_order_is_restored(stand, last_first):
    order = depth_first(stand, last_first)
    reordered = JointOrder(stand.skeleton, order).view(stand)
    assert order.tolist() != list(range(22))
    assert np.array_equal(joint_positions(reordered), joint_positions(stand)[:, order])
    back = in_usual_order(reordered)
    assert back.skeleton.same_as(stand.skeleton)
    assert np.array_equal(back.rotations, stand.rotations)


def test_extra_joints_sort_by_position(walk):
    """Wrists taken for fingers."""
    parts = tuple("" if part.endswith("wrist") else part for part in walk.skeleton.parts)
    motion = replace(walk, skeleton=replace(walk.skeleton, parts=parts))
    usual = in_usual_order(motion)
    for last_first in (False, True):
        reordered = JointOrder(motion.skeleton, depth_first(motion, last_first)).view(motion)
        assert in_usual_order(reordered).skeleton.same_as(usual.skeleton)


@pytest.mark.parametrize("last_first", [False, True])
def test_order_and_names_do_not_matter(walk, engine, last_first):
    order = depth_first(walk, last_first)
    reordered = rename_joints(JointOrder(walk.skeleton, order).view(walk))
    physics = PhysicsCorrector(TrackerSettings(engine=EngineSettings(name=engine)))
    for corrector in (KinematicCorrector(), physics):
        usual = corrector([walk])[0]
        moved = corrector([reordered])[0]
        assert moved.motion.skeleton is reordered.skeleton
        assert np.array_equal(moved.motion.root_m, usual.motion.root_m)
        assert np.array_equal(moved.motion.rotations, usual.motion.rotations[:, order])
        assert moved.forces.residual == usual.forces.residual
