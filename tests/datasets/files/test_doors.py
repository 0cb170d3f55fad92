"""One clip, in every disguise, gives the same positions in every command."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tyro
from helpers import smpl_joints_m
from made_rigs import resting, with_chains
from scipy.spatial.transform import Rotation

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.commands.correct import correct_file
from selfcorrect.commands.correct.options import CorrectionOptions
from selfcorrect.commands.data.command import DataCommand, Source
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.datasets.files.rigs.rig import RiggedMotion
from selfcorrect.datasets.load import load_motions
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures import drawing
from selfcorrect.motion.skeleton import Skeleton
from selfcorrect.motion.views import Z_UP, to_y_up
from selfcorrect.simulators.results.results import CorrectedMotion

TOLERANCE_M = 2e-5
"""What is left of six decimals in files."""


# --- disguises --------------------------------------------------------------------------------------------------------


def in_unit(metres: float) -> Callable[[Motion], RiggedMotion]:
    return lambda motion: clip_of(motion, metres)


def with_order(order: str) -> Callable[[Motion], RiggedMotion]:
    return lambda motion: clip_of(motion, rotation_order=order)


def rotations_before_positions(motion: Motion) -> RiggedMotion:
    clip = clip_of(motion)
    return replace(clip, channels=((*clip.channels[0][3:], *clip.channels[0][:3]), *clip.channels[1:]))


def moving_offsets(motion: Motion) -> RiggedMotion:
    """Move offsets from the hierarchy into position channels."""
    clip = clip_of(motion)
    frames = len(motion)
    stretches_m = {joint: np.tile(motion.skeleton.offsets_m[joint], (frames, 1)) for joint in range(1, 22)}
    channels = tuple(clip.channels[0] for _ in clip.channels)
    return replace(clip, channels=channels, stretches_m=stretches_m, offsets=np.zeros((22, 3)))


def below_a_scene(*, pelvis_moves: bool) -> Callable[[Motion], RiggedMotion]:
    """Put the pelvis below a joint of the scene.

    The joint is turned and away from the origin.
    """

    def disguise(motion: Motion) -> RiggedMotion:
        skeleton = motion.skeleton
        turn = Rotation.from_euler("y", 40, degrees=True)
        away_m = np.array([1.0, 0.2, -2.0])
        names = ("Reference", *skeleton.names)
        parents = (-1, *(parent + 1 for parent in skeleton.parents))
        offsets_m = np.vstack([np.zeros(3), skeleton.offsets_m])
        skeleton_in_scene = Skeleton(names, parents, offsets_m, ("", *skeleton.parts))
        rotations = np.concatenate([np.tile(turn.as_quat(), (len(motion), 1, 1)), motion.rotations], axis=1)
        rotations[:, 1] = (turn.inv() * Rotation.from_quat(motion.rotations[:, 0])).as_quat()
        root_m = np.tile(away_m, (len(motion), 1)) if pelvis_moves else motion.root_m
        clip = clip_of(Motion(skeleton_in_scene, root_m, rotations, motion.fps))
        if not pelvis_moves:
            return clip
        channels = (clip.channels[0], clip.channels[0], *clip.channels[2:])
        return replace(clip, channels=channels, stretches_m={1: turn.inv().apply(motion.root_m - away_m)})

    return disguise


END_SITES_M = [(0.0, 0.0, 0.0), (0.02, 0.0, 0.05)]


def with_end_sites(motion: Motion) -> RiggedMotion:
    """Add two end sites to every leaf joint.

    The head has one without length, too.
    """
    skeleton = motion.skeleton
    ends = [part for part, children in zip(skeleton.parts, skeleton.children, strict=True) if not children]
    chains = {f"{part}_end{end}": (part, [offset]) for part in ends for end, offset in enumerate(END_SITES_M)}
    clip = clip_of(with_chains(motion, chains))
    longer = clip.motion.skeleton
    sites = frozenset(range(len(skeleton), len(longer)))
    channels = tuple(() if joint in sites else names for joint, names in enumerate(clip.channels))
    return replace(clip, channels=channels, end_sites=sites)


def with_bones_without_length(motion: Motion) -> RiggedMotion:
    """Add joints without length, as rigs with helpers have.

    The joints are above each leg and at the end of the spine.
    """
    for part in ("left_hip", "right_hip", "neck"):
        skeleton = motion.skeleton
        joint = skeleton.joint(part)
        parents = [parent + (parent >= joint) for parent in skeleton.parents]
        parents.insert(joint + 1, joint)
        socketed = Skeleton(
            (*skeleton.names[:joint], f"{part}_root", *skeleton.names[joint:]),
            tuple(parents),
            np.insert(skeleton.offsets_m, joint + 1, 0.0, axis=0),
            (*skeleton.parts[:joint], "", *skeleton.parts[joint:]),
        )
        still = [0.0, 0.0, 0.0, 1.0]
        motion = replace(motion, skeleton=socketed, rotations=np.insert(motion.rotations, joint, still, axis=1))
    return clip_of(motion)


DISGUISES = {
    "centimetres": in_unit(0.01),
    "metres": in_unit(1.0),
    "millimetres": in_unit(0.001),
    "inches": in_unit(0.0254),
    "rotations in the order XYZ": with_order("XYZ"),
    "rotations in the order YZX": with_order("YZX"),
    "rotations before positions": rotations_before_positions,
    "z up": lambda motion: clip_of(resting(to_y_up(Z_UP).restore(motion), "z up")),
    "resting in an A pose": lambda motion: clip_of(resting(motion, "A-pose")),
    "lying at rest": lambda motion: clip_of(resting(motion, "lying")),
    "folded onto an axis at rest": lambda motion: clip_of(resting(motion, "bones along x")),
    "collapsed to a point at rest": moving_offsets,
    "below a scene, the pelvis moving": below_a_scene(pelvis_moves=True),
    "below a scene that moves": below_a_scene(pelvis_moves=False),
    "many end sites": with_end_sites,
    "with bones without length": with_bones_without_length,
}


def write_disguised(name: str, walker: Motion, folder: Path) -> Path:
    (folder / "in").mkdir()
    write_bvh(folder / "in" / "clip.bvh", DISGUISES[name](walker))
    return folder / "in" / "clip.bvh"


# --- doors ------------------------------------------------------------------------------------------------------------


def at_view(path: Path, monkeypatch: pytest.MonkeyPatch) -> Motion:
    """What `selfcorrect view` draws."""
    drawn: list[Motion] = []
    monkeypatch.setattr(drawing, "draw_motions", lambda out, motions, titles, **_: drawn.extend(motions))
    assert main(["view", str(path), "--out", str(path.parent.parent / "picture.png")]) in (0, None)
    return drawn[0]


def at_data(path: Path) -> Motion:
    """What `selfcorrect data check`, `stats` and `preview` read."""
    (motion,) = Source(path.parent).open()[1][0].read()
    return motion


def at_convert(path: Path) -> Motion:
    """Return what `selfcorrect data convert` writes."""
    out = path.parent.parent / "converted"
    tyro.cli(DataCommand, args=["convert", str(path), "--to", "bvh", "--out", str(out)]).run()
    return read_bvh(out / path.name).motion


def at_correct(path: Path, monkeypatch: pytest.MonkeyPatch) -> Motion:
    """Return what `selfcorrect correct` gives a corrector that changes nothing."""
    seen: list[Motion] = []

    def corrector(motions: Sequence[Motion]) -> list[CorrectedMotion]:
        seen.extend(motions)
        return [CorrectedMotion(motion) for motion in motions]

    monkeypatch.setattr(correct_file, "correct_through_views", lambda motions, pipeline: corrector(motions))
    out = path.parent.parent / "out"
    task = correct_file.FileTask(path, path.name, out)
    correct_file.correct_tasks([task], CorrectionOptions(kinematic=True), lambda *progress: None)
    before = joint_positions(read_bvh(path).motion)
    after = joint_positions(read_bvh(out / path.name).motion)
    np.testing.assert_allclose(after, before, atol=TOLERANCE_M)
    return seen[0]


@pytest.mark.parametrize("name", DISGUISES)
def test_motion_is_written_in_disguise(name: str, walker: Motion, tmp_path: Path) -> None:
    path = write_disguised(name, walker, tmp_path)
    out = tmp_path / "out.bvh"
    up_m = np.array([0.0, 0.1, 0.0])
    file = open_motion(path)
    assert ("z up inferred (--up)" in file.notes) == (name == "z up")
    file.write(out, replace(file.motion, root_m=file.motion.root_m + up_m))
    np.testing.assert_allclose(smpl_joints_m(open_motion(out).motion), smpl_joints_m(walker) + up_m, atol=TOLERANCE_M)
    old = read_bvh(path).motion
    new = read_bvh(out).motion
    assert new.skeleton.names == old.skeleton.names
    if name == "below a scene, the pelvis moving":
        np.testing.assert_allclose(new.root_m, old.root_m, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("name", DISGUISES)
def test_entry_points_agree_on_positions(
    name: str, walker: Motion, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_disguised(name, walker, tmp_path)
    expected_m = smpl_joints_m(walker)
    doors = {
        "open": open_motion(path).motion,
        "selfcorrect.load_motion": sc.load_motion(path),
        "load": load_motions(path.parent)[0],
        "view": at_view(path, monkeypatch),
        "data": at_data(path),
        "convert": at_convert(path),
        "correct": at_correct(path, monkeypatch),
    }
    for door, motion in doors.items():
        off_m = float(np.abs(smpl_joints_m(motion) - expected_m).max())
        assert off_m < TOLERANCE_M, f"{door}: off by {off_m:.6f} m"
    assert main(["data", "check", str(path)]) in (0, None)
    assert "odd" not in capsys.readouterr().out.split("motion files")[-1]
