"""Whatever could hang a command ends in one sentence.

Files, words and surroundings are tried, and the end comes at once.
"""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from robustness.damage import short_walk

import selfcorrect as sc
from selfcorrect.commands.cli import main

DIGITS = "9" * 5000


def assert_one_sentence(words: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Assert that a command ends with one short sentence.

    The exit code is 2, and the sentence not the text of a bug.
    """
    assert main(words) == 2
    said = capsys.readouterr().err
    assert message in said
    assert len(said) < 1000
    assert "Traceback" not in said


# --- experiments as YAML files ---------------------------------------------------------------------------------------


YAML = {
    "itself": ("&a [*a, *a]", "has an alias"),
    "itself as a key": ("&a {x: {y: *a}}", "has an alias"),
    "itself as a merge": ("a: &a {<<: *a}", "has an alias"),
    "an alias": ("seeds: &a 3\ngenerations: *a", "has an alias (*); write its values out"),
    "deep": ("[" * 200 + "]" * 200, "nested deeper"),
    "very deep": ("[" * 100_000, "not YAML"),
    "no number": ('seeds: !!int ""', "not YAML"),
    "no bytes": ("seeds: !!binary '&'", "seeds: expected whole number"),
    "digits": (f"seeds: {DIGITS}", "not YAML"),
    "bytes": ("\x00", "not YAML"),
    "twice": ("seeds: 3\nout: x\nseeds: 4", "seeds is given twice, in lines 1 and 3"),
    "twice within": ("out: {a: 1,\n a: 2}", "a is given twice, in lines 1 and 2"),
    "nothing": ("", "expected preset"),
}


@pytest.mark.parametrize("name", YAML)
def test_experiments(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, message = YAML[name]
    path = tmp_path / "x.yaml"
    path.write_text(text)
    assert_one_sentence(["motion", str(path)], message, capsys)


# --- words of a command ----------------------------------------------------------------------------------------------

GROUNDS = (
    {"floor_m": 1e308},
    {"uphill_deg": 1e308},
    {"slope_deg": 1e308},
    {"boxes": [{"centre_m": [0, 1e308, 0], "size_m": [1, 1, 1]}]},
    {"boxes": [{"centre_m": [0, 0, 0], "size_m": [1, 1e308, 1]}]},
    {"boxes": [{"centre_m": [0, 0, 0], "size_m": [1, 1, 1], "turn_deg": 1e308}]},
)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--frames", f"0:{DIGITS}"], "frames must be FIRST:LAST"),
        (["--frames", "0:9999999999"], "frames must be FIRST:LAST"),
        (["--amount", f"{DIGITS}=1"], "amount must be LIMB=SHARE"),
        (["--amount", f"legs@{DIGITS}=1"], "amount must be LIMB=SHARE"),
        (["--amount", f"legs={DIGITS}"], "amount must be LIMB=SHARE"),
        *((["--ground", json.dumps(ground)], "ground.json: ") for ground in GROUNDS),
    ],
)
def test_words(words: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sc.save_motion(tmp_path / "walk.bvh", short_walk())
    option, value = words
    if option == "--ground":
        (tmp_path / "ground.json").write_text(value)
        value = str(tmp_path / "ground.json")
    command = ["correct", str(tmp_path / "walk.bvh"), "-o", str(tmp_path / "out"), "--kinematic", option, value]
    assert_one_sentence(command, message, capsys)


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights on Windows")
@pytest.mark.parametrize("words", [["check"], ["correct", "--kinematic", "-o", "out"]])
def test_links_in_a_circle(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("motions").mkdir()
    Path("motions/a.bvh").symlink_to("b.bvh")
    Path("motions/b.bvh").symlink_to("a.bvh")
    command, *options = words
    assert main([command, "motions", *options]) == 2
    printed = capsys.readouterr()
    assert "a.bvh: " in printed.out + printed.err
    assert "symbolic links form a cycle" in printed.out + printed.err
    assert "Errno" not in printed.out + printed.err


# --- surroundings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["x", "0", "-1", "nan", "inf", DIGITS])
def test_limits(value: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFCORRECT_UNPACKED_LIMIT_MB", value)
    for words in (["check", "x.bvh"], ["correct", "x.bvh"], ["motion"], ["data", "list"]):
        assert_one_sentence(words, "SELFCORRECT_UNPACKED_LIMIT_MB must be a positive number of megabytes", capsys)


@pytest.mark.parametrize("command", [["check"], ["correct", "--kinematic", "-o", "out"]])
def test_too_many_frames_raise(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("long.npy", np.zeros((1000, 22, 3), dtype=np.float32))
    monkeypatch.setattr("selfcorrect.storage.files.limits._machine_bytes", lambda: 2**20)
    monkeypatch.setenv("SELFCORRECT_UNPACKED_LIMIT_MB", "1")
    assert main([*command, "long.npy"]) == 2
    printed = capsys.readouterr()
    assert "would take 10.07 MB of memory" in printed.out + printed.err


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps a folder that is in use")
def test_a_folder_that_is_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "gone").mkdir()
    before = os.open(".", os.O_RDONLY)
    try:
        os.chdir(tmp_path / "gone")
        (tmp_path / "gone").rmdir()
        for words in (["check", "x.bvh"], ["correct", "x.bvh", "-o", "out"], ["motion"], ["toy", "loop.py"]):
            assert_one_sentence(words, "the current folder was removed", capsys)
    finally:
        os.fchdir(before)
        os.close(before)


@pytest.mark.parametrize("columns", ["1", "5", "39"])
def test_narrow_terminals(columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as ended:
        main(["correct", "--help"])
    assert ended.value.code == 0
    assert "--kinematic" in capsys.readouterr().out
