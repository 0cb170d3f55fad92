"""One body reads to the same joints, whatever its rest pose, names, vertical axis, unit and root."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st
from made_rigs import NAMINGS, REST_POSES, base_walk, rename_joints, resting

import selfcorrect as sc
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.motion.geometry.views import Z_UP, Rerooted, ScaledBody, to_y_up
from selfcorrect.motion.skeleton import SMPL_22

PARTS = tuple(part for part in SMPL_22 if part)


def places_m(motion: sc.Motion) -> np.ndarray:
    """(T, 22, 3) places of the body's parts."""
    joints = [motion.skeleton.joint(part) for part in PARTS]
    return sc.joint_positions(motion)[:, [-1 if joint is None else joint for joint in joints]]


@settings(max_examples=4, deadline=None)
@example(naming="auto-rig", pose="sitting", root="left_knee", stature=1.12, unit_m=0.01, is_z_up=True)
@given(
    naming=st.sampled_from(sorted(NAMINGS)),
    pose=st.sampled_from(sorted(REST_POSES)),
    root=st.sampled_from(PARTS),
    stature=st.sampled_from([0.75, 1.0, 1.12]),
    unit_m=st.sampled_from([0.001, 0.01, 1.0]),
    is_z_up=st.booleans(),
)
def test_a_body_reads_to_the_same_joints(
    naming: str, pose: str, root: str, stature: float, unit_m: float, is_z_up: bool
) -> None:
    walk = ScaledBody(stature).view(base_walk(2))
    stored = rename_joints(resting(walk, pose), naming)
    joint = walk.skeleton.parts.index(root)
    stored = Rerooted(stored.skeleton, joint).view(stored) if joint else stored
    stored = to_y_up(Z_UP).restore(stored) if is_z_up else stored
    with TemporaryDirectory() as folder:
        write_bvh(Path(folder) / "a.bvh", clip_of(stored, unit_m))
        read = sc.open_motion(Path(folder) / "a.bvh").motion
    assert set(PARTS) <= set(read.skeleton.parts)
    np.testing.assert_allclose(places_m(read), places_m(walk), atol=0.001)
