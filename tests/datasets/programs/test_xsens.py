"""MVNX: joints are where the segments have them."""

import re
from pathlib import Path

import numpy as np
import pytest
from posed_motions import walking
from program_files import parts_m
from xsens_files import write_mvnx

import selfcorrect as sc
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.open import open_motion

WALK = walking()


def test_joints_match_segments(tmp_path: Path) -> None:
    path = tmp_path / "walk.mvnx"
    write_mvnx(path, WALK)
    file = open_motion(path)
    assert file.up is not None
    assert file.up.axis == 1
    assert (file.motion.fps, len(file.motion)) == (60, len(WALK))
    np.testing.assert_allclose(turn_back(parts_m(file.motion)), parts_m(WALK), atol=1e-6)
    file.write(tmp_path / "out.bvh", file.motion)
    written = open_motion(tmp_path / "out.bvh").motion
    np.testing.assert_allclose(turn_back(parts_m(written)), parts_m(WALK), atol=2e-5)


def turn_back(places_m: np.ndarray) -> np.ndarray:
    """Rotate positions into the walk's world, where the body faces +z.

    In the file it faces +x.
    """
    return places_m @ np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])


def test_the_rate_and_other_subjects(tmp_path: Path) -> None:
    path = tmp_path / "two.mvnx"
    write_mvnx(path, WALK, rate="", subjects=2)
    with pytest.raises(InputError, match=r"no frame rate.*--fps"):
        open_motion(path)
    file = open_motion(path, sc.Reading(fps=90.0))
    assert file.motion.fps == 90
    assert [note.topic for note in file.assumed] == ["skeletons"]


def test_truncated_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "cut.mvnx"
    write_mvnx(path, WALK)
    path.write_text(path.read_text()[: path.stat().st_size // 2])
    file = open_motion(path)
    assert 10 < len(file.motion) < len(WALK)
    assert any(f" {len(file.motion)} frames" in note for note in file.damage)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (r"<mvnx", '<!DOCTYPE mvnx [<!ENTITY a "b">]><mvnx', "document type mvnx"),
        (r"<mvnx", '<!DOCTYPE mvnx SYSTEM "other.dtd"><mvnx', "document type mvnx"),
        (r"<orientation>(?!1 0)\S+", "<orientation>", r"frame 1: expected 88 numbers in orientation"),
        (r"<orientation>(?!1 0)\S+", "<orientation>x", r"frame 1: expected 88 numbers in orientation"),
        (r"<position>\S+", "<position>nan", "position is not finite in frame 0"),
        (r"(?s)<position>.*?</position>", "", "frame 1 has no segment position"),
        (r"<connector1>Pelvis", "<connector1>Tail", "expected each joint to connect .*'Tail'"),
        (r'frameRate="60"', 'frameRate="fast"', "expected a number as frameRate"),
        (r'type="normal"', 'type="odd"', "frames of type normal"),
        (r"mvnx", "kml", "not readable XML|mvnx as its first element"),
        (r"(?s).*", "nothing", "not readable XML"),
    ],
)
def test_damage_is_named(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    path = tmp_path / "a.mvnx"
    write_mvnx(path, WALK.frames(0, 8))
    count = 0 if "type" in old else 1
    path.write_text(re.sub(old, new, path.read_text(), count=count))
    with pytest.raises(InputError, match=complaint):
        open_motion(path)
