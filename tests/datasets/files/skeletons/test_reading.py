"""Files of any convention give the same joints.

Rest pose, names, vertical axis, unit and root joint differ.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_rigs import NAMINGS, PROPS, REST_POSES, base_walk, remove_parts, rename_joints, resting, with_chains

import selfcorrect as sc
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.motion.geometry.rotations import invert
from selfcorrect.motion.views import Rerooted, TurnedWorld, to_y_up

PARTS = tuple(base_walk(1).skeleton.parts)
FINGERS = {
    f"{side}Hand{finger}": (f"{side.lower()}_wrist", [(sign * 0.08, 0.0, 0.02 * place), *[(sign * 0.03, 0.0, 0.0)] * 3])
    for side, sign in (("Left", 1.0), ("Right", -1.0))
    for place, finger in enumerate(("Thumb", "Index", "Middle", "Ring", "Pinky"))
}
"""Fingers of four joints."""
TOP_OF_HEAD = {"HeadTop": ("head", [(0.0, 0.2, 0.0)])}
UNITS_M = (0.01, 1.0, 0.001, 0.0254)


@pytest.fixture(scope="module")
def base() -> sc.Motion:
    return base_walk(1)


def positions_of(motion: sc.Motion, parts: Sequence[str] = PARTS) -> np.ndarray:
    """(T, P, 3) positions of the joints of parts."""
    joints = [motion.skeleton.parts.index(part) for part in parts]
    return sc.joint_positions(motion)[:, joints]


def write_disguised(path: Path, motion: sc.Motion, random: np.random.Generator) -> str:
    """Write a motion in a random convention.

    Rest pose, names, axis, unit and root joint are drawn.
    """
    rest_pose = random.choice([*REST_POSES])
    naming = random.choice([*NAMINGS])
    axis = int(random.integers(2))
    unit_m = float(random.choice(UNITS_M))
    is_neck_named = naming != "rigify"  # calls neck and head spine, too
    root = random.choice([part for part in PARTS if part != "head" or is_neck_named])
    more = [FINGERS, TOP_OF_HEAD, {}, PROPS["cape"], PROPS["sword"]][random.integers(5)]
    disguised = with_chains(motion, more)
    joint = disguised.skeleton.joint(root)
    disguised = rename_joints(resting(disguised, rest_pose), naming)
    if joint:
        disguised = Rerooted(disguised.skeleton, joint).view(disguised)
    disguised = TurnedWorld(invert(to_y_up(axis).turn)).view(disguised)
    write_bvh(path, clip_of(disguised, unit_m))
    return f"{rest_pose}, {naming}, axis {axis}, unit {unit_m}, root {root}, {list(more)[:1]}"


@pytest.mark.parametrize("seed", range(16))
def test_disguised_bodies_read_alike(base: sc.Motion, tmp_path: Path, seed: int) -> None:
    disguise = write_disguised(tmp_path / "a.bvh", base, np.random.default_rng(seed))
    motion = sc.load_motion(tmp_path / "a.bvh")
    distances_m = np.abs(positions_of(motion) - positions_of(base)).max(axis=(0, 2))
    assert distances_m.max() < 1e-3, (disguise, dict(zip(PARTS, distances_m.round(3), strict=True)))


@pytest.mark.parametrize(
    "words",
    [
        ("Shoulder", "Bone", "Elbow", "Wrist"),
        ("Collar", "Shoulder", "Elbow", "Palm"),
        ("", "Shoulder", "Arm", "ForeArm"),
    ],
)
def test_misnamed_chain_is_arm(base: sc.Motion, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A note says where names are overruled.

    The last arm has no collar, and Mixamo's names of arms with one.
    """
    body = base if words[0] else remove_parts(base, ["left_collar", "right_collar"])
    renamed = rename_joints(body, "mixamo")
    names = []
    for name, part in zip(renamed.skeleton.names, body.skeleton.parts, strict=True):
        side, _, limb = part.partition("_")
        arm = dict(zip(("collar", "shoulder", "elbow", "wrist"), words, strict=True))
        names.append(f"{side.title()}{arm[limb]}" if limb in arm else name)
    write_bvh(tmp_path / "a.bvh", clip_of(replace(renamed, skeleton=replace(renamed.skeleton, names=tuple(names)))))
    file = sc.open_motion(tmp_path / "a.bvh")
    parts = [part for part in PARTS if words[0] or "collar" not in part]
    np.testing.assert_allclose(positions_of(file.motion, parts), positions_of(base, parts), atol=1e-3)
    assert any("LeftShoulder is the left" in note for note in file.notes) == (words[0] != "Collar")
