"""Retimed files keep their rate, and real walks, whose pace is that of gravity, stay."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from posed_motions import jumping

import selfcorrect as sc
from selfcorrect.commands.correct.correct_file import find_wrong_pace, retime_file
from selfcorrect.datasets.files.rigs.bvh import clip_of, read_bvh, write_bvh
from selfcorrect.motion.skeleton import Skeleton


def below_a_scene(motion: sc.Motion, path: Path) -> None:
    """Put the pelvis, which has channels of its own, below a moving joint of the scene."""
    skeleton = motion.skeleton
    names = ("Scene", *skeleton.names)
    parents = (-1, *(parent + 1 for parent in skeleton.parents))
    skeleton_in_scene = Skeleton(names, parents, np.vstack([np.zeros(3), skeleton.offsets_m]), ("", *skeleton.parts))
    still = np.tile([0.0, 0, 0, 1], (len(motion), 1, 1))
    root_m = np.linspace([0.0, 0, 0], [0.3, 0, 0], len(motion))
    motion_in_scene = sc.Motion(
        skeleton_in_scene, root_m, np.concatenate([still, motion.rotations], axis=1), motion.fps
    )
    clip = clip_of(motion_in_scene)
    channels = (clip.channels[0], clip.channels[0], *clip.channels[2:])
    write_bvh(path, replace(clip, channels=channels, stretches_m={1: motion.root_m - root_m}))


@pytest.mark.parametrize("speed", [0.7, 1.4])
def test_bvh_is_resampled(tmp_path: Path, speed: float) -> None:
    motion = jumping()
    played = replace(motion, fps=motion.fps * speed)
    below_a_scene(played, tmp_path / "a.bvh")
    file = retime_file(sc.open_motion(tmp_path / "a.bvh"), tmp_path / "a.bvh")
    assert any("retimed" in note for note in file.notes)
    file.write(tmp_path / "b.bvh", file.motion)
    reread = read_bvh(tmp_path / "b.bvh").motion
    assert reread.fps == pytest.approx(played.fps, rel=1e-6)
    assert reread.seconds == pytest.approx(motion.seconds, rel=0.04)
    assert find_wrong_pace(sc.load_motion(tmp_path / "b.bvh")) is None
    np.testing.assert_allclose(
        sc.joint_positions(sc.load_motion(tmp_path / "b.bvh")), sc.joint_positions(file.motion), atol=1e-4
    )


def test_fixed_times_raise(tmp_path: Path) -> None:
    file = sc.MotionFile((replace(jumping(), fps=45.0),), (), lambda *_: None)
    with pytest.raises(sc.InputError, match=r"a\.glb:.*\.bvh, \.npz, \.npy.*\.glb"):
        retime_file(file, tmp_path / "a.glb")


@pytest.mark.slow
def test_only_slow_motion_is_retimed(cmu: Path) -> None:
    """No real walk is retimed: all of the test split and every third of the train split are tried."""
    walks = [*sorted(cmu.glob("test/35_*.bvh")), *sorted(cmu.glob("train/35_*.bvh"))[::3]]
    motions = [sc.load_motion(path) for path in (*walks, *sorted(cmu.glob("train/07_*.bvh")))]
    assert [motion.source for motion in motions if find_wrong_pace(motion)] == []
    slow = [find_wrong_pace(replace(motion, fps=0.6 * motion.fps)) for motion in motions]
    notes = [note for note in slow if note]
    assert len(notes) > 0.6 * len(motions)
    assert np.median(notes) == pytest.approx(0.6, abs=0.05)
