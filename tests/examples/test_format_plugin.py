"""A package can add a format.

Its files are recognised by their content, converted and corrected.
"""

from pathlib import Path

import numpy as np
import pytest

from selfcorrect.commands.cli import main
from selfcorrect.core.errors import InputError
from selfcorrect.datasets.files.formats import all_formats, is_motion_file, readable_suffixes, written_suffix
from selfcorrect.datasets.files.open import motion_files, open_motion, save_motion
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion

MODULE = """
from dataclasses import replace

import selfcorrect as sc
from selfcorrect.datasets.files.rigs.bvh import read_bvh, write_motion

TEXT = sc.Format(
    name="text", suffixes=(".txt",), holds="a BVH file by another name", reader="renamed_bvh:open_text", writer=None,
    written_as=".bvh", recognises="renamed_bvh:is_text",
)


def is_text(path):
    return path.read_bytes().startswith(b"HIERARCHY")


def open_text(path, reading):
    return sc.MotionFile((replace(read_bvh(path).motion, source=str(path)),), (), write_motion)
"""


def install(folder: Path, points: str, patch: pytest.MonkeyPatch) -> None:
    package = folder / "renamed_bvh-1.0.dist-info"
    package.mkdir(parents=True)
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: renamed_bvh\nVersion: 1.0\n")
    (package / "entry_points.txt").write_text(f"[selfcorrect.formats]\n{points}\n")
    (folder / "renamed_bvh.py").write_text(MODULE)
    patch.syspath_prepend(str(folder))


@pytest.fixture
def clip(tmp_path: Path, walk: Motion) -> Path:
    folder = tmp_path / "clips"
    save_motion(folder / "walk.bvh", walk)
    (folder / "walk.bvh").rename(folder / "walk.txt")
    (folder / "LICENSE.txt").write_text("not a clip")
    return folder / "walk.txt"


def test_unknown_without_package(clip: Path) -> None:
    assert not is_motion_file(clip)
    with pytest.raises(InputError, match=r"expected a motion file"):
        open_motion(clip)


def test_added_format_works(
    clip: Path, walk: Motion, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(tmp_path / "site", "text = renamed_bvh:TEXT", monkeypatch)
    assert ".txt" in readable_suffixes()
    assert written_suffix(clip) == ".bvh"
    assert motion_files(clip.parent) == [clip]
    with pytest.raises(InputError, match=r"LICENSE\.txt"):
        open_motion(clip.with_name("LICENSE.txt"))
    assert main(["data", "formats"]) == 0
    assert "text " in capsys.readouterr().out
    assert main(["data", "convert", str(clip), "--out", str(tmp_path / "out"), "--to", "bvh"]) == 0
    converted = open_motion(tmp_path / "out" / "walk.bvh").motion
    order = [converted.skeleton.names.index(name) for name in walk.skeleton.names]
    np.testing.assert_allclose(joint_positions(converted)[:, order], joint_positions(walk), atol=1e-4)
    command = ["correct", str(clip), "--out", str(tmp_path / "corrected"), "--kinematic", "--workers", "1"]
    assert main(command) in (0, 1)
    (corrected,) = (tmp_path / "corrected").rglob("*.bvh")
    assert len(open_motion(corrected).motion) == len(walk)


def test_broken_package_hides_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, "missing = no_such_module:X\nother = json:dumps", monkeypatch)
    with pytest.warns(UserWarning, match="no_such_module|expected a Format") as caught:
        names = {kind.name for kind in all_formats()}
    assert "bvh" in names
    assert not {"missing", "other"} & names
    assert len(caught) == 2
