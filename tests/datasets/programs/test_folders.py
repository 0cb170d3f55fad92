"""A folder of `datasets/programs` is a format; without the folder, all other formats work."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from copied_packages import CopiedPackages
from posed_motions import walking
from program_files import LAYOUTS, PROGRAMS, reading_of

import selfcorrect as sc
from selfcorrect.datasets import programs
from selfcorrect.datasets.files import formats
from selfcorrect.datasets.files.contract import READ_ARRAYS, ArrayLayout, Format
from selfcorrect.datasets.files.open import open_motion, save_motion

FOLDERS = sorted(path.parent for path in Path(programs.__path__[0]).resolve().glob("*/__init__.py"))


def find_format(folder: Path) -> Format:
    return next(kind for kind in formats.FORMATS if f".{folder.name}.reader:" in str((kind.layout, kind.reader)))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_others_read_without_a_folder(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = find_format(folder)
    title = hidden.layout.program if hidden.layout else hidden.name
    own_files = [program for name, program in (PROGRAMS | LAYOUTS).items() if name.startswith(title)]
    for program in own_files:
        program.save(tmp_path / program.file, walking())
    monkeypatch.setattr(formats, "FORMATS", tuple(kind for kind in formats.FORMATS if kind is not hidden))
    assert hidden.name not in {kind.name for kind in formats.all_formats()}
    for name, file in (("bvh", "a.bvh"), ("amass", "a.npz"), ("joints", "a.npy")):
        save_motion(tmp_path / name / file, walking(), name)
        assert len(open_motion(tmp_path / name / file).motion) > 1
    for program in own_files:
        with pytest.raises(sc.InputError, match=r"unknown layout|expected"):
            open_motion(tmp_path / program.file, reading_of(program))


@pytest.mark.slow
def test_program_runs_without_folders(tmp_path: Path) -> None:
    """The folders are deleted from a copy of the packages, and motions are converted there."""
    packages = CopiedPackages.make(tmp_path)
    packages.delete(*FOLDERS)
    save_motion(tmp_path / "walk.bvh", walking())
    listed = packages.run("data", "formats", folder=tmp_path)
    assert not listed.returncode, listed.stderr
    assert not {find_format(folder).name for folder in FOLDERS} & set(listed.stdout.split())
    converted = packages.run("data", "convert", "walk.bvh", "--out", "out", "--to", "amass", folder=tmp_path)
    assert not converted.returncode, converted.stderr
    assert len(open_motion(tmp_path / "out" / "walk.npz").motion) == len(walking())


def test_layout_of_a_package_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package adds files of named arrays with the same object as a folder here."""
    (tmp_path / "lab_arrays.py").write_text(
        "import selfcorrect as sc\n"
        "def open_lab(results, reading):\n"
        "    motion = sc.motion_from_joints(results.array('lab_joints'), 30.0)\n"
        "    return sc.MotionFile((motion,), ('of the lab',), lambda path, motion: None)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    layout = ArrayLayout("the lab", "lab_arrays:open_lab", ("lab_joints",))
    added = Format("lab", (".npz",), "joints of a lab", READ_ARRAYS, None, layout=layout)
    np.savez(tmp_path / "a.npz", lab_joints=sc.joint_positions(walking()))
    with pytest.raises(sc.InputError, match="unknown layout"):
        open_motion(tmp_path / "a.npz")
    monkeypatch.setattr(formats.ADDED_FORMATS, "load_added", lambda expected: {"lab": added})
    monkeypatch.setattr(formats.ADDED_FORMATS, "title", lambda name: f"format {name!r} of lab 1.0")
    assert open_motion(tmp_path / "a.npz").notes[0] == "of the lab"
    save_motion(tmp_path / "b.npz", walking(), "amass")
    assert "of the lab" not in open_motion(tmp_path / "b.npz").notes
    broken = replace(added, layout=replace(layout, reader="lab_arrays:missing"))
    monkeypatch.setattr(formats.ADDED_FORMATS, "load_added", lambda expected: {"lab": broken})
    with pytest.raises(sc.InputError, match=r"lab 1\.0"):
        open_motion(tmp_path / "a.npz")
