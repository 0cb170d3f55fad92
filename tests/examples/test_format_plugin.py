"""The example package of a format: its files are found, read, converted and corrected."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from deepmimic_clips import read_clip
from helpers import REPOSITORY, install_plugin

from selfcorrect.core.errors import InputError
from selfcorrect.datasets.collections.deepmimic import load_deepmimic, read_built_in_texts
from selfcorrect.datasets.files.formats import all_formats, is_motion_file, readable_suffixes, written_suffix
from selfcorrect.datasets.files.open import motion_files, open_motion
from selfcorrect.experiments.cli import main
from selfcorrect.motion.geometry.kinematics import joint_positions

NAME = "humanoid3d_kick.txt"


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / NAME
    path.write_bytes(read_built_in_texts()[NAME])
    (tmp_path / "LICENSE.txt").write_text("not a clip")
    return path


@pytest.fixture
def plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    package = REPOSITORY / "examples" / "plugins" / "deepmimic_clips"
    install_plugin(package, tmp_path_factory.mktemp("site"), monkeypatch)


def test_without_the_package_the_files_are_unknown(clip: Path) -> None:
    assert not is_motion_file(clip)
    with pytest.raises(InputError, match=r"motions are read from \.bvh"):
        open_motion(clip)


@pytest.mark.usefixtures("plugin")
def test_files_of_an_added_format_are_found_and_converted(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ".txt" in readable_suffixes()
    assert written_suffix(clip) == ".bvh"
    assert motion_files(tmp_path) == [clip]
    with pytest.raises(InputError, match=r"LICENSE\.txt: motions are read from"):
        open_motion(tmp_path / "LICENSE.txt")
    assert main(["data", "formats"]) == 0
    assert "deepmimic " in capsys.readouterr().out
    assert main(["data", "convert", str(clip), "--out", str(tmp_path / "out"), "--to", "bvh"]) == 0
    converted = open_motion(tmp_path / "out" / "humanoid3d_kick.bvh").motion
    expected = read_clip(clip)
    order = [converted.skeleton.names.index(name) for name in expected.skeleton.names]
    np.testing.assert_allclose(joint_positions(converted)[:, order], joint_positions(expected), atol=1e-4)


@pytest.mark.usefixtures("plugin")
def test_a_file_of_an_added_format_is_corrected(clip: Path, tmp_path: Path) -> None:
    command = ["correct", str(clip), "--out", str(tmp_path / "out"), "--kinematic", "--workers", "1"]
    assert main(command) in (0, 1)
    (corrected,) = (tmp_path / "out").rglob("*.bvh")
    assert len(open_motion(corrected).motion) == len(read_clip(clip))


def test_a_broken_package_hides_no_other_format(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "zoo-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: zoo\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text("[selfcorrect.formats]\nmissing = no_such_module:X\nother = json:dumps\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.warns(UserWarning, match="no_such_module|expected a Format") as caught:
        names = {kind.name for kind in all_formats()}
    assert "bvh" in names
    assert not {"missing", "other"} & names
    assert len(caught) == 2


def test_clips_are_read_like_the_built_in_ones(clip: Path) -> None:
    read = read_clip(clip)
    (expected,) = [motion for motion in load_deepmimic() if motion.source == NAME]
    assert (read.label, read.source) == (expected.label, expected.source)
    np.testing.assert_array_equal(read.rotations, expected.rotations)
    np.testing.assert_array_equal(read.root_m, expected.root_m)


def write(folder: Path, content: object) -> Path:
    path = folder / "humanoid3d_made.txt"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def frame(duration: float = 0.1) -> list[float]:
    return [
        duration,
        0,
        1,
        0,
        1,
        0,
        0,
        0,
        *[1, 0, 0, 0] * 3,
        0,
        *[1, 0, 0, 0] * 2,
        0,
        *[1, 0, 0, 0],
        0,
        *[1, 0, 0, 0] * 2,
        0,
    ]


def test_uneven_frame_times_are_respected(tmp_path: Path):
    rows = [frame(0.1), frame(0.3), frame(0.0)]
    for place, row in enumerate(rows):
        row[1] = float(place)
    clip = read_clip(write(tmp_path, {"Frames": rows}), fps=10)
    np.testing.assert_allclose(clip.root_m[:, 2], [0, 1, 4 / 3, 5 / 3, 2])
    assert clip.label == "made"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{\n nonsense", "made.txt.*line 2"),
        ({"Loop": "wrap"}, '"Frames" of at least two'),
        ({"Frames": [frame()]}, "at least two"),
        ({"Frames": [frame(), frame()[:-1]]}, "frame 1: expected 44 finite numbers"),
        ({"Frames": [frame(), [*frame()[:-1], "x"]]}, "frame 1: expected 44"),
        ({"Frames": [[*frame()[:-1], float("nan")], frame()]}, "frame 0: expected 44 finite"),
        ({"Frames": [frame(), frame(-1.0), frame()]}, "frame 1: expected a positive duration, got -1"),
        ({"Frames": [[0.1, 0, 1, 0, *[0.0] * 40], frame()]}, "frame 0: a quaternion of length 0 for pelvis"),
    ],
)
def test_a_malformed_clip_names_file_and_place(tmp_path: Path, content: object, message: str):
    with pytest.raises(ValueError, match=message):
        read_clip(write(tmp_path, content))
