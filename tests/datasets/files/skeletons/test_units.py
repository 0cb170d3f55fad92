"""Usual units that files do not state are inferred for people of every age."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_rigs import base_walk
from posed_motions import crouching, walking

import selfcorrect as sc
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.datasets.files.skeletons.file_note import FileNote
from selfcorrect.datasets.files.skeletons.units import unit_of
from selfcorrect.motion.views import ScaledBody

UNITS_M = {"metre": 1.0, "centimetre": 0.01, "millimetre": 0.001, "inch": 0.0254}
CMU_M = 0.0254 / 0.45
CMU_NAMES = ("Hips", "LHipJoint", "RHipJoint", "LowerBack")


def in_unit(path: Path, unit_m: float, stature: float) -> sc.Motion:
    """Write a body of this stature in that unit.

    The stature is a factor on the average one. The file is BVH.
    """
    motion = ScaledBody(stature).view(walking())
    write_bvh(path, clip_of(motion, unit_m))
    return motion


@pytest.mark.parametrize("unit", UNITS_M)
@pytest.mark.parametrize("stature", [0.53, 0.6, 0.7, 1.0, 1.2])
def test_ages_are_read_in_all_units(tmp_path: Path, unit: str, stature: float) -> None:
    motion = in_unit(tmp_path / "a.bvh", UNITS_M[unit], stature)
    np.testing.assert_allclose(sc.load_motion(tmp_path / "a.bvh").root_m, motion.root_m, atol=1e-3)


@given(size_m=st.floats(1.4, 1.9), unit_m=st.sampled_from(sorted(UNITS_M.values())))
def test_adults_stay_adults(size_m: float, unit_m: float) -> None:
    assert unit_of(size_m / unit_m, ())[0] == unit_m


@given(size_m=st.floats(0.87, 1.3), unit_m=st.sampled_from([1.0, 0.001, 0.0254]))
def test_children_are_no_giants(size_m: float, unit_m: float) -> None:
    assert unit_of(size_m / unit_m, ())[0] == unit_m


@given(size_m=st.floats(0.7, 0.95))
def test_small_children_are_noted(size_m: float) -> None:
    """Read in inches, small children would be adults of 1.8 to 2.4 m."""
    unit_m, note = unit_of(size_m / 0.01, ())
    assert unit_m == 0.01 or ("uncertain" in note and "units of 0.01 m" in note)


@given(size_m=st.floats(2.1, 3.5))
def test_giants_keep_file_unit(size_m: float) -> None:
    assert unit_of(size_m / 0.01, ())[0] == 0.01
    assert unit_of(size_m, ())[0] == 1.0


@given(size_m=st.floats(1.4, 2.1))
def test_cmu_unit_is_specific(size_m: float) -> None:
    """CMU's adults look like small children in inches, who are rare."""
    assert unit_of(size_m / CMU_M, CMU_NAMES)[0] == CMU_M
    if 1.45 < size_m < 1.85:
        assert unit_of(size_m / CMU_M, ())[0] == CMU_M
    if size_m > 2.0:
        assert unit_of(size_m / CMU_M, ())[0] == 0.0254


def test_note_states_certainty(tmp_path: Path) -> None:
    assert unit_of(170.0, ())[1] == "unit 0.01 m inferred (--metres-per-unit)"
    assert "the body is 0.94 m tall, or 2.09 m in units of 0.05644 m" in unit_of(37.0, CMU_NAMES)[1] or (
        "the body is 2.09 m tall, or 0.94 m in units of 0.0254 m" in unit_of(37.0, CMU_NAMES)[1]
    )
    in_unit(tmp_path / "a.bvh", 0.0254, 0.55)
    assert any("uncertain" in note for note in sc.open_motion(tmp_path / "a.bvh").notes)


def standing(frames: int = 30) -> sc.Motion:
    """A body that does not move."""
    walk = base_walk(1)
    return walk.select_frames(np.zeros(frames, dtype=int))


BONE_AND_ROOT_UNITS = (
    ("metre", "metre"), ("centimetre", "inch"), ("inch", "decimetre"), ("metre", "centimetre"), ("centimetre", "metre"),
    ("centimetre", "millimetre"), ("inch", "foot"), ("millimetre", "foot"),
)  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "bone_unit", "root_unit"),
    [
        *(("walking", *units) for units in BONE_AND_ROOT_UNITS),
        *((kind, *units) for kind in ("in place", "crouching", "standing") for units in BONE_AND_ROOT_UNITS[:3]),
    ],
)
def test_mixed_units_raise(tmp_path: Path, kind: str, bone_unit: str, root_unit: str) -> None:
    """Decimetres are believed only of moving feet.

    A metre, the negative control, is read beside metres.
    """
    motion = {"crouching": crouching(), "standing": standing()}.get(kind) or base_walk(2)
    if kind == "in place":
        motion = replace(motion, root_m=motion.root_m * np.array([0.0, 1.0, 0.0]))
    ratio = UNITS_M[bone_unit] / {**UNITS_M, "foot": 0.3048, "decimetre": 0.1}[root_unit]
    path = tmp_path / "a.bvh"
    write_bvh(path, clip_of(replace(motion, root_m=ratio * motion.root_m), UNITS_M[bone_unit]))
    if bone_unit == root_unit or (root_unit == "decimetre" and kind == "standing"):
        sc.load_motion(path)
        return
    with pytest.raises(sc.InputError, match=f"another unit than the bones.*{root_unit[0]}.* by {ratio:.4g}"):
        sc.load_motion(path)
    sc.load_motion(path, sc.Reading(drop=True))


def test_high_bodies_are_read(tmp_path: Path) -> None:
    """Floors may be anywhere; walkers may stay in place.

    This is the negative control.
    """
    walk = base_walk(2)
    for height_m in (85.0, 2.2, 1.3, -0.5):
        write_bvh(tmp_path / "high.bvh", clip_of(replace(walk, root_m=walk.root_m + np.array([0.0, height_m, 0.0]))))
        sc.load_motion(tmp_path / "high.bvh")
    for motion in (walk, standing()):
        write_bvh(tmp_path / "still.bvh", clip_of(replace(motion, root_m=0.0 * motion.root_m)))
        sc.load_motion(tmp_path / "still.bvh")


def test_note_holds_unit_as_answer() -> None:
    unit_m, note = unit_of(170.0, ())
    assert isinstance(note, FileNote)
    assert note.answer.startswith(f"{unit_m:g} m ")
    assert note.words == f"unit {note.answer}"
