"""A profile holds the soles of a rig.

Several of its clips show where they are.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from turned_joints import with_toes_at

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.files.skeletons.rig_profile import (
    CommonFloor,
    RigProfile,
    group_by_rig,
    profile_of,
    read_profile,
)
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.foot_frames import estimate_foot_frames


def flying(motion: Motion) -> Motion:
    """A motion that never stands."""
    frames = np.arange(len(motion))
    return replace(motion, root_m=motion.root_m + np.stack([0 * frames, 0.05 * frames, 0 * frames], axis=1))


@pytest.fixture
def folder(tmp_path: Path, stepping: Motion) -> Path:
    """Make three clips whose toe joints lie in soles.

    The floors of two are at other heights, and in one no foot stands.
    """
    heights_m = {"a": 0.0, "b": 0.003, "c": -0.002, "d": 0.012, "e": 0.04}
    for name, height_m in heights_m.items():
        write_bvh(tmp_path / f"{name}.bvh", clip_of(with_toes_at(stepping, height_m), 0.01))
    write_bvh(tmp_path / "flying.bvh", clip_of(flying(stepping), 0.01))
    return tmp_path


def profile_by(folder: Path, *names: str) -> RigProfile:
    """The profile that some clips show."""
    return profile_of(group_by_rig(open_motion(folder / f"{name}.bvh").motion for name in names))


def soles_m(folder: Path, name: str, *others: str) -> tuple[float, float] | None:
    """Return the sole depths of a clip with the profile of other clips."""
    motion = profile_by(folder, *others).on_rig(open_motion(folder / f"{name}.bvh").motion)
    return (motion.feet or estimate_foot_frames([motion])).soles_m


OTHERS = ("a", "b", "c")


def test_flying_clip_gets_rig_soles(folder: Path):
    assert soles_m(folder, "flying") is None
    assert soles_m(folder, "flying", *OTHERS) == pytest.approx((0.0, 0.0), abs=0.005)


def test_wrong_floor_shows_beside_others(folder: Path):
    assert soles_m(folder, "e") == pytest.approx((0.04, 0.04), abs=0.005)
    assert soles_m(folder, "e", *OTHERS) == pytest.approx((0.003, 0.003), abs=0.005)


def test_similar_clips_keep_heights(folder: Path):
    """Joints in stance are some millimetres above their lowest height.

    The motion is made so; in other motions, joints are lowest in stance.
    """
    assert soles_m(folder, "d", *OTHERS) == pytest.approx((0.015, 0.015), abs=0.003)


def test_profile_ignores_order(folder: Path):
    assert profile_by(folder, *OTHERS) == profile_by(folder, *OTHERS[::-1])


def test_different_rigs_share_nothing(folder: Path, walk: Motion):
    write_bvh(folder / "walk.bvh", clip_of(walk, 0.01))
    assert profile_by(folder, "walk", "a").rigs == {}


@pytest.mark.parametrize(("heights_m", "agree"), [((-0.03, -0.025, -0.02), True), ((-0.03, 0.0, 0.03), False)])
def test_rig_floor_is_median(heights_m: tuple[float, ...], agree: bool, stepping: Motion):
    """The rig's floor is that of the median clip.

    The feet of the profile stand on it there, wherever the clips stand.
    """
    clips = group_by_rig(with_toes_at(stepping, height_m) for height_m in heights_m)
    floor = CommonFloor.from_clips(*clips.values(), profile_of(clips))
    assert floor is not None
    assert floor.furthest_m == pytest.approx(heights_m[2] - heights_m[1], abs=0.002)
    assert (f"--floor {floor.height_m:.3f}" in str(floor)) == agree
    with_flight = [*next(iter(clips.values())), flying(stepping)]
    assert CommonFloor.from_clips(with_flight, profile_of(clips)) == floor
    raised = group_by_rig(with_toes_at(stepping, 0.05 + height_m) for height_m in heights_m)
    higher = CommonFloor.from_clips(*raised.values(), profile_of(clips))
    assert higher is not None
    assert higher.height_m - floor.height_m == pytest.approx(0.05, abs=0.002)


def test_profile_round_trips(folder: Path):
    profile = profile_by(folder, *OTHERS)
    (folder / "rig.json").write_text(json.dumps(asdict(profile)))
    assert read_profile(folder / "rig.json") == profile
    with_it = open_motion(folder / "e.bvh", Reading(profile=folder / "rig.json"))
    assert with_it.motion.feet == profile.on_rig(open_motion(folder / "e.bvh").motion).feet
    assert "feet as in rig.json (--profile)" in with_it.notes


@pytest.mark.parametrize(
    ("foot", "message"),
    [
        ({"ankles": [[0, 0, 0, 2], [0, 0, 0, 1]]}, "expected a unit quaternion"),
        ({"toes": [[0, 0, 0, 1]]}, "expected a unit quaternion"),
        ({"toes": [[0, 0, 0, 1], [0, 0, 0, float("nan")]]}, "expected a unit quaternion"),
        ({"soles_m": [0.01]}, "expected two sole depths"),
        ({"soles_m": [0.01, 30.0]}, "expected two sole depths"),
        ({"soles": 1}, "unknown entry"),
    ],
)
def test_other_file_raises(foot: dict[str, object], message: str, tmp_path: Path):
    (tmp_path / "rig.json").write_text(json.dumps({"rigs": {"a": foot}}))
    with pytest.raises(InputError, match=message):
        read_profile(tmp_path / "rig.json")
