"""Odd joint names are kept, or a note says what was changed."""

import json
import warnings
from dataclasses import replace
from pathlib import Path

import pytest

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

ODD = (
    "mixamorig:Head", "Head}", "{Head", "Head\tend", "Head\x07", "Head\x1f", "\x0bHead", "Head\x85", "Head\u2028top",
    "Head\u2029", "\u3000Head", "Head\u00a0", "Head # 1", "// Head", "Head;", "", " Head ", "頭", "Head\x7f", "Head\\",
    'Head"', "Head\x00", "He\rad", "He\nad", "\ud800", "JOINT", "End Site", "Head  top", "Head/top",
)  # fmt: skip
MARK = "cannot hold are written differently"


def with_name(motion: Motion, name: str) -> Motion:
    """The motion with another name of its head."""
    names = tuple(name if own == "head" else own for own in motion.skeleton.names)
    skeleton = motion.skeleton
    return replace(motion, skeleton=Skeleton(names, skeleton.parents, skeleton.offsets_m, skeleton.parts))


@pytest.mark.parametrize("suffix", [".bvh", ".gltf", ".parquet", ".npz"])
def test_names_round_trip_or_warn(walker: Motion, tmp_path: Path, suffix: str) -> None:
    layout = "ai4animation" if suffix == ".npz" else None
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    changed = 0
    for index, name in enumerate(ODD):
        if not name and suffix == ".gltf":  # a node without name gets one from its reader
            continue
        motion = with_name(walker.frames(0, 3), name)
        path = tmp_path / f"{index}{suffix}"
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            save_motion(path, motion, layout)
        is_told = any(MARK in str(warning.message) for warning in caught)
        names = open_motion(path).motion.skeleton.names
        names = [own for own in names if not own.endswith("_end")]  # end sites of leaf joints
        assert (set(names) == set(motion.skeleton.names)) == (not is_told), name
        changed += is_told
    assert (changed > 0) == (suffix in (".bvh", ".npz"))


@pytest.mark.parametrize("suffix", [".bvh", ".gltf"])
def test_file_names_round_trip_or_note(walker: Motion, tmp_path: Path, suffix: str) -> None:
    told = 0
    save_motion(tmp_path / f"a{suffix}", with_name(walker.frames(0, 3), "HERE"))
    text = (tmp_path / f"a{suffix}").read_text()
    path = tmp_path / f"b{suffix}"
    for name in ODD:
        if suffix == ".bvh":
            content = text.replace("HERE", name).encode(errors="replace")
        else:
            content = text.replace('"HERE"', json.dumps(name)).encode()
        path.write_bytes(content)
        try:
            file = open_motion(path)
        except sc.InputError:  # a brace or a line end where the hierarchy has none, or a name twice
            continue
        file.write(tmp_path / f"c{suffix}", file.motion)
        again = open_motion(tmp_path / f"c{suffix}").motion
        is_told = any(MARK in note for note in file.notes)
        assert (again.skeleton.names == file.motion.skeleton.names) == (not is_told), name
        told += is_told
    assert (told > 0) == (suffix == ".bvh")


def test_usd_identifiers_are_reported(walker: Motion, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="needs the extra `usd`")
    from pxr import Usd, UsdSkel

    for index, name in enumerate((*ODD, "right collar")):
        motion = with_name(walker.frames(0, 3), name)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            save_motion(tmp_path / f"{index}.usda", motion)
        stage = Usd.Stage.Open(str(tmp_path / f"{index}.usda"))
        paths = list(UsdSkel.Skeleton(stage.GetPrimAtPath("/motion/skeleton")).GetJointsAttr().Get())
        assert len(set(paths)) == len(motion.skeleton)
        is_same = [path.rpartition("/")[2] for path in paths] == list(motion.skeleton.names)
        assert is_same == (not any(MARK in str(warning.message) for warning in caught)), name
