"""Rigs of many programs give the right parts.

Whatever all their names share, whatever they wear and however they rest.
"""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from made_rigs import (
    NAMINGS,
    PREFIXES,
    PROPS,
    REST_POSES,
    SUFFIXES,
    base_walk,
    clear_names,
    number_joints,
    rename_joints,
    resting,
    with_chains,
)

from selfcorrect.datasets.collections.deepmimic import load_deepmimic, on_smpl
from selfcorrect.datasets.files.rigs.rig import make_unique
from selfcorrect.datasets.files.skeletons.anatomy import recognize_parts
from selfcorrect.datasets.files.skeletons.naming import parts_from_names
from selfcorrect.motion.motion import Motion


@pytest.fixture(scope="module")
def base() -> Motion:
    return base_walk(1)


def recognize(motion: Motion) -> tuple[str, ...]:
    return recognize_parts(motion).skeleton.parts


@pytest.mark.parametrize("naming", NAMINGS)
def test_shared_prefix_is_ignored(base: Motion, naming: str) -> None:
    affixes = [*((prefix, "") for prefix in PREFIXES), *(("", suffix) for suffix in SUFFIXES)]
    affixes += product(PREFIXES[1:4], SUFFIXES[1:4])
    wrong = [affix for affix in affixes if recognize(rename_joints(base, naming, *affix)) != base.skeleton.parts]
    assert not wrong


@pytest.mark.parametrize("naming", NAMINGS)
def test_shared_numbers_are_ignored(base: Motion, naming: str) -> None:
    assert recognize(number_joints(rename_joints(base, naming))) == base.skeleton.parts


def test_half_shared_prefix_stays(base: Motion) -> None:
    """A prefix of every second name is not a body part: a negative control."""
    names = rename_joints(base, "unreal").skeleton.names
    prefixed = tuple(f"x9{name}" if index % 2 else name for index, name in enumerate(names))
    parts = parts_from_names(prefixed)
    assert not any(parts[1::2])
    assert "left_knee" in parts


def test_parts_agree_between_clips() -> None:
    for clip in load_deepmimic():
        motion = on_smpl(clip.frames(0, 60))
        assert recognize(rename_joints(motion, "mixamo", "Model_")) == motion.skeleton.parts, clip.label


@pytest.mark.parametrize("prop", PROPS)
def test_props_are_no_limbs(base: Motion, prop: str) -> None:
    dressed = with_chains(base, PROPS[prop])
    for motion in (clear_names(dressed), rename_joints(dressed, "mixamo", "Model_", "_jnt")):
        assert recognize(motion) == dressed.skeleton.parts


@pytest.mark.parametrize("pose", REST_POSES)
def test_rest_pose_hides_no_part(base: Motion, pose: str) -> None:
    assert recognize(clear_names(resting(base, pose))) == base.skeleton.parts


@pytest.mark.parametrize("seed", range(12))
def test_structure_decides_mixed_names(base: Motion, seed: int) -> None:
    """Arm joints with mixed names follow the structure.

    Each is called as in another scheme, or by a word of none: a shoulder may be called a collar.
    """
    random = np.random.default_rng(seed)
    schemes = [rename_joints(base, naming).skeleton.names for naming in NAMINGS]
    names = [*rename_joints(base, "mixamo").skeleton.names]
    for joint, part in enumerate(base.skeleton.parts):
        scheme = random.integers(len(schemes) + 3)
        if part.endswith(("collar", "shoulder", "elbow", "wrist")):
            names[joint] = schemes[scheme][joint] if scheme < len(schemes) else f"bone {joint}"
    skeleton = replace(base.skeleton, names=make_unique(names), parts=("",) * len(names))
    assert recognize(replace(base, skeleton=skeleton)) == base.skeleton.parts
