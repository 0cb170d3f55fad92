"""Mistakes get one sentence and exit code 2, and change nothing."""

import re
import shlex
from importlib.util import find_spec
from pathlib import Path

import pytest
from helpers import LOOPS, Says, bytes_of
from made_motions import made_motion

from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.open import save_motion

MISTAKES = {
    "correct ''": "empty argument",
    "data check ''": "empty argument",
    "motion --data ''": "empty argument",
    "''": "empty argument",
    "corect": "unknown command 'corect', expected one of demo, motion, .*; did you mean 'correct'?",
    "data chek": "unknown command data 'chek', expected one of list, .*; did you mean 'check'?",
    "correct clips --stength 1": r"unknown option --stength; did you mean --strength\?",
    "correct clips --no-jsn": r"unknown option --no-jsn; did you mean --no-json\?",
    "correct clips --scene.slop-deg 1": r"unknown option --scene\.slop-deg; did you mean --scene\.slope-deg\?",
    "correct clips -x": "unknown option -x; .*--help",
    "correct clips --json=x": "unexpected 'x'",
    "correct clips --workers many": "--workers: expected a whole number, got 'many'",
    "correct clips --mass-kg heavy": "--mass-kg: expected a number, got 'heavy'",
    "correct clips --scene.slope-deg steep": r"--scene\.slope-deg: expected a number, got 'steep'",
    "correct clips --scene.push-n 1 2": r"--scene\.push-n: expected 3 values",
    "correct clips --fallback balancd": r"--fallback: unknown value 'balancd', .*did you mean 'balanced'\?",
    "motion --preset shrot": r"--preset: unknown value 'shrot', .*did you mean 'short'\?",
    "motion --generations": "--generations: a value is missing",
    "data check": "PATH is missing; `selfcorrect data check --help`",
    "data convert clips": "--out PATH is missing",
    "--nonsense": "unknown option '--nonsense'",
    "view notes.txt": "notes.txt: expected a motion file ..bvh",
    "correct nowhere.bvh": r"nowhere\.bvh: no such file or folder",
    "correct clips/aa.bvh": r"clips/aa\.bvh: no such file or folder; did you mean clips/a\.bvh\?",
    "correct": "no input; name motion files",
    "check": "no input; name motion files",
    "view": "no input; name motion files",
    "correct empty": r"empty: no motion files \(\.bvh, \.npz, ",
    "correct clips --workers 0": "workers must be at least 1, got 0",
    "correct clips --fps 1e308": r"fps must be a number from 0\.01 to 100000, got 1e\+308",
    "correct clips --body-model notes.txt": r"notes\.txt: expected a body model as \.npz or \.pkl",
    "correct clips -o clips": "an input would be overwritten",
    "correct clips/a.bvh -o clips": "an input would be overwritten",
    "correct clips/a.bvh copy/a.bvh": "would both become corrected/a.bvh",
    "correct clips/a.bvh -o copy": r"copy/a\.bvh: exists and was not written by this command",
    "correct clips/a.bvh -o notes.txt": r"notes\.txt: expected the suffix \.bvh",
    "correct clips/a.bvh -o loop": "loop",
    "correct clips/b.npz --delta layer.bvh": "delta needs a single BVH file",
    "correct shards -o shards": "would be overwritten",
    "correct shards -o x://fixed --kinematic": "x://fixed: expected a path",
    "correct nonsense://a/b -o fixed": "nonsense://a/b: expected a path",
    "check clips/a.bvh --picture worst": r"worst: a picture of findings must be a \.png file",
    "check clips/a.bvh -o clips/a.bvh --overwrite": "an input would be overwritten",
    "check clips/a.bvh --picture clips/../clips/a.bvh --overwrite": "an input would be overwritten",
    "correct clips -o b.bvh": r"b\.bvh: expected a folder as output",
    "check clips -o clips/a.bvh --overwrite": "an input would be overwritten",
    "check clips --references --csv clips/a.bvh --overwrite": "an input would be overwritten",
    "check clips --references --leave-out clips/a.bvh --overwrite": "an input would be overwritten",
    "view clips/a.bvh --out out.tiff": r"out\.tiff: pictures end in \.png",
    "data check nowhere": "nowhere: no such file or folder",
    "data check empty": "neither a known dataset nor motion files",
    "data check clips --dataset amas": "unknown dataset 'amas', expected one of",
    "data check clips/a.bvh --dataset cmu --up z!": "the dataset cmu gives unit, fps, up and body",
    "data check clips --limit -1": "limit must be at least 1, got -1",
    "data convert empty --out x": "no motion files ",
    "check opensim": r"no motion files .*a\.mot: OpenSim's joint angles without their model; open both in OpenSim",
    "data convert clips --out x --to fbx": "fbx files can be read but not written; formats to write are bvh, amass",
    "data convert clips/a.bvh --to amass --out loop": "loop",
    "data shard clips -o shards": "shards: exists; choose another --out, or pass --overwrite",
    "data shard clips -o clips": "holds other files",
    "data shard clips -o loop": "cannot write to loop",
    "data shard clips -o new --motions-per-shard 0": "motions-per-shard must be at least 1, got 0",
    "toy gausian --out x": "gausian: no such file; a toy loop is a Python file",
    f"toy {LOOPS['language']} --quick --text none.txt --out x": r"none\.txt",
    f"toy {LOOPS['gaussian-correct']} --quick --out copy": r"is not a run folder: .*a\.bvh",
    f"toy {LOOPS['weighting']} --out loop": "loop",
    "compare nowhere.yaml": r"nowhere\.yaml: no such file",
    "verify empty": "no run, corrected motions or shards",
    "motion --generator nosuch --dry-run": "generator nosuch is not installed",
    "motion --seeds 1000000000": "seeds must be at most 1000000, got 1000000000",
    "motion --first-seed -1": "first_seed must be at least 0, got -1",
    "motion --policy augment --synthetic-ratio 1e308": "must be a number from 0 to 1e",
    "motion --corrector-timeout nan": "corrector-timeout must be a positive number of seconds, got nan",
    "motion --workers 0": "workers must be at least 1, got 0",
    "motion --data no/such/folder": "no/such/folder",
    "motion --out notes.txt/run": r"cannot write to \S+/notes\.txt/run",
    "motion --out copy": "is not a run folder",
}
"""Command lines in the folder below, and what the sentence about each says."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make motions, copies, shards, an empty folder, notes, and a link to itself."""
    folder = tmp_path_factory.mktemp("place")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name in ("clips/a.bvh", "clips/b.npz", "copy/a.bvh"):
            save_motion(name, made_motion("walk", frames=12))
        if find_spec("pyarrow"):
            assert main(["data", "shard", "clips", "-o", "shards", "--motions-per-shard", "3"]) == 0
        else:  # the base writes no shards
            Path("shards").mkdir()
    (folder / "empty").mkdir()
    (folder / "opensim").mkdir()
    (folder / "opensim" / "a.mot").write_text("Coordinates")
    (folder / "notes.txt").write_text("notes that are longer than a magic number")
    (folder / "loop").symlink_to("loop")
    return folder


@pytest.mark.parametrize("line", MISTAKES)
def test_mistake_is_one_sentence(
    line: str, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if "shards" in line:
        pytest.importorskip("pyarrow")
    expected = MISTAKES[line] if find_spec("torch") else f"{MISTAKES[line]}|needs the extra"  # the base may ask first
    monkeypatch.chdir(place)
    before = bytes_of(place)
    assert main(shlex.split(line)) == 2
    error = capsys.readouterr().err
    assert re.search(expected, error)
    assert all(line.startswith("selfcorrect: ") for line in error.splitlines())
    assert bytes_of(place) == before


@pytest.mark.parametrize("command", ["data samples --out made", "data convert clips/a.bvh --to amass --out made"])
def test_own_output_is_recognised(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    monkeypatch.chdir(tmp_path)
    save_motion(tmp_path / "clips" / "a.bvh", made_motion("walk"))
    says(command)
    before = bytes_of(tmp_path / "made")
    said = says(command, code=2)
    assert ": exists; choose another --out, or pass --overwrite" in said
    assert "not written by" not in said
    assert bytes_of(tmp_path / "made") == before
    says(command, "--overwrite")
