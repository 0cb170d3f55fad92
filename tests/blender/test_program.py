"""How the extension finds, calls and understands the program."""

import ast
import json
import os
import re
import sys
import time
import tomllib
from functools import partial
from itertools import combinations
from pathlib import Path

import pytest
import tyro

from selfcorrect.commands.check.command import CheckCommand
from selfcorrect.commands.correct.command import CorrectCommand
from selfcorrect.simulators.results.results import Failure, FailureKind, Note, NoteKind

from .loading import EXTENSION, load

clock = load("clock")
options = load("options")
program = load("program")
report = load("report")
FROM_101 = clock.Clock(first=101, step=1, count=99)
TOOL = program.Program(("selfcorrect",), "search path")


def test_manifest_is_valid() -> None:
    manifest = tomllib.loads((EXTENSION / "blender_manifest.toml").read_text())
    assert (manifest["schema_version"], manifest["type"], manifest["id"]) == ("1.0.0", "add-on", "selfcorrect")
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert "wheels" not in manifest
    assert all(len(reason) <= 64 and reason[-1].isalpha() for reason in manifest["permissions"].values())
    assert len(manifest["tagline"]) <= 64


def test_program_lookup_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = program.get_script(tmp_path / "env", "selfcorrect")
    named = tmp_path / "named"
    on_path = tmp_path / "bin" / "selfcorrect"
    for path in (installed, named, on_path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(on_path.parent))
    bundled = program.Program(("python", "bundled.py"), "the extension")
    programs = [program.find_program(str(named), bundled, tmp_path / "env")]
    assert program.find_program("", bundled, tmp_path / "env") is bundled
    programs.append(program.find_program("", None, tmp_path / "env"))
    monkeypatch.setenv("PATH", "")
    programs.append(program.find_program("", None, tmp_path / "env"))
    assert [Path(path.path) for path in programs] == [named, on_path, installed]
    assert [path.origin for path in programs] == ["preferences", "search path", "environment of the extension"]
    with pytest.raises(program.Failure, match="no such file"):
        program.find_program(str(tmp_path / "none"), None, tmp_path / "env")
    with pytest.raises(program.Failure, match="not found"):
        program.find_program("", None, tmp_path / "nothing")


@pytest.mark.parametrize(("command", "kind"), [("correct", CorrectCommand), ("check", CheckCommand)])
def test_the_program_understands_its_commands(tmp_path: Path, command: str, kind: type) -> None:
    make = {"correct": program.make_correct_command, "check": program.make_check_command}[command]
    source = tmp_path / "a.bvh"
    words = make(TOOL, [source] if command == "check" else source, tmp_path / "out", ["--floor", "0"])
    understood = tyro.cli(kind, args=words[2:])
    reading = understood.reading if command == "check" else understood.options.reading
    assert [*map(str, understood.inputs)] == [str(tmp_path / "a.bvh")]
    assert (reading.up, reading.metres_per_unit, reading.floor) == ("y!", 1.0, 0.0)


def test_operators_pass_known_options(capsys: pytest.CaptureFixture[str]) -> None:
    """Texts that begin with two dashes are known options.

    All of them are options of `correct`.
    """
    tree = ast.parse((EXTENSION / "operators.py").read_text(encoding="utf-8"))
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    options = {text for text in texts if text.startswith("--")}
    with pytest.raises(SystemExit):
        tyro.cli(CorrectCommand, args=["--help"])
    known = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    assert {"--strength", "--floor", "--keep-level"} <= options <= known


def test_output_is_parsed() -> None:
    said = "\rcorrect:   0%|   | 0/1\n\r a.bvh: correct:  37%|███   | 43/115\x1b[A"
    assert [program.find_share(text) for text in ("", said, f"{said}\rcorrect: 100%|████| 1/1")] == [0, 0.37, 1]
    assert (
        program.find_last_sentence(f"{said}\nselfcorrect: a.bvh: no such file\n\ntraceback\n") == "a.bvh: no such file"
    )
    refused = "╭─ Unrecognized options ─╮\n│ Unrecognized options: --nope, 3 │\n│ For full helptext, … │\n╰─────╯\n"
    assert program.find_last_sentence(refused) == "This program does not know --nope; install a newer one"
    assert program.find_last_sentence(said) == ""


def test_failed_and_cancelled_commands_end(tmp_path: Path) -> None:
    log = tmp_path / "log"
    pid = tmp_path / "pid"
    wrong = "import sys; print('selfcorrect: no room', file=sys.stderr); sys.exit(2)"
    with pytest.raises(program.Failure, match=r"^no room$"):
        list(program.run([sys.executable, "-c", wrong], log))
    with pytest.raises(program.Failure, match="No such file"):
        list(program.run([str(tmp_path / "none")], log))
    slow = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    steps = program.run([sys.executable, "-c", slow], log)
    while not (pid.is_file() and pid.read_text()):
        next(steps)
        time.sleep(0.02)
    steps.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


@pytest.mark.parametrize(
    ("ending", "word"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "memory"),
        ("raise MemoryError", "memory"),
        ("import os, signal; print('half a line'); os.kill(os.getpid(), signal.SIGSEGV)", "unexpectedly"),
        ("import sys; sys.exit(3)", "unexpectedly"),
        ("import numpy as np; np.linalg.inv(np.zeros((2, 2)))", "LinAlgError"),
    ],
)  # fmt: skip
def test_sudden_ends_are_sentences(tmp_path: Path, ending: str, word: str) -> None:
    with pytest.raises(program.Failure, match=word) as failure:
        list(program.run([sys.executable, "-c", ending], tmp_path / "log"))
    sentence = str(failure.value)
    assert sentence.startswith("The ")
    assert "exit code" not in sentence


def test_environment_uses_blenders_python() -> None:
    create, fill = program.make_install_commands(Path("env"), Path("a.whl"))
    assert create[:4] == [sys.executable, "-I", "-m", "venv"]
    assert fill[-2:] == ["--upgrade", "a.whl"]
    assert "--no-index" not in fill
    _, offline = program.make_install_commands(Path("env"), Path("a.whl"), "wheels")
    assert offline[-4:] == ["--no-index", "--find-links", "wheels", "a.whl"]


FINDING = {
    "code": "F3", "name": "sliding", "start": 2, "stop": 9, "frame": 4, "value": 0.2229, "threshold": 0.16,
    "unit": "m/s", "things": ["left foot", "right foot"], "says": "slides",
}  # fmt: skip
SCORES = {"penetration_m": 0.0289, "slip_m": 2.1}
MOTION = {
    "verdict": "accepted", "before": SCORES, "after": {"penetration_m": 0.0, "slip_m": 0.2}, "moved_m": 0.03,
    "parts": {"left_knee": "LeftLeg"}, "assumed": ["30 fps"],
    "notes": ["far: frames 0–11, 20 [F5 wandering]", "a loop of 1 s, which closes"],
}  # fmt: skip


def test_findings_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "findings.json"
    path.write_text(json.dumps([{"path": "a", "error": "", "notes": [], "motions": [[FINDING]]}]))
    ((finding,),) = report.read_findings(path)
    assert (finding.first_frame, finding.last_frame, finding.worst_frame) == (2, 8, 4)
    assert (finding.rule, finding.joints, finding.amount) == ("F3", ("left foot", "right foot"), "0.223 m/s")
    path.write_text(json.dumps([{"error": "/tmp/x/motion.bvh: line 3: expected OFFSET"}]))
    with pytest.raises(program.Failure, match=r"^line 3: expected OFFSET$"):
        report.read_findings(path)


def test_reports_are_understood(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    found = {"failed_checks": ["F5"], "large_move_reason": "moved by up to 1.13 m: floor", "not_corrected": "it drifts"}
    motion = {**MOTION, **found}
    path.write_text(json.dumps({"motions": [motion]}))
    correction = report.read_report(path, FROM_101)
    assert correction.parts == {"LeftLeg"}
    assert correction.summary.startswith("penetration 29 → 0 mm, slip 2100 → 200 mm per stance; joints moved by 30 mm")
    assert correction.warnings == (
        "moved by up to 1.13 m: floor",
        "far: frames 101–112, 121 [F5 wandering]",
        "it drifts",
        "assumed: 30 fps",
    )
    assert correction.notes == ("a loop of 1 s, which closes",)
    level = report.read_report(path, FROM_101, ignored_rules=("F5",))
    assert not any("F5" in warning for warning in (*level.warnings, *level.notes))
    path.write_text(json.dumps({"motions": [{"verdict": "rejected", "reason": "fell", "frame": 7}]}))
    with pytest.raises(program.Failure, match=r"fell at frame 8$"):
        report.read_report(path, clock.Clock(1, 1, 9))


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("its way stays, --remove-drift changes it", "its way stays, Remove Drift changes it"),
        ("feet stand on that plane, --level levels it", "feet stand on that plane, Level Floor levels it"),
        ("cuts at frames 3: left where they are; --join-takes joins them", "cuts at frames 104: left where they are"),
        ("frames 95 to 95 (hip): interpolated", "frames 196 to 196 (hip): interpolated"),
        ("frames 3–4, 7 and from frame 9", "frames 104–105, 108 and from frame 110"),
        ("replaces 3 repeated frames (not with --frame-times keep)", "replaces 3 repeated frames"),
        ("run `pip install --no-deps x`, or --kinematic", "run `pip install --no-deps x`, or Kinematic Only"),
    ],
)  # fmt: skip
def test_messages_use_blenders_terms(sentence: str, expected: str) -> None:
    assert report.translate(sentence, FROM_101) == expected


def test_notes_name_no_command_options() -> None:
    for kind in NoteKind:
        sentence = str(Note(kind, value=3.0, words="at the end"))
        assert not re.search("--[a-z]", report.translate(sentence, FROM_101)), sentence


@pytest.mark.parametrize("kind", FailureKind)
def test_failures_name_options_of_blender(kind: FailureKind) -> None:
    """Advice names only titles of options, whatever was tried already."""
    for count in range(len(kind.advice) + 1):
        for tried in combinations(kind.advice, count):
            failure = Failure(kind, frame=3, last_frame=9, value=0.5, limit=0.3, words="odd", tried=tried)
            sentence = report.translate(str(failure), FROM_101)
            assert not re.search(r"'(?!s )", sentence), sentence
            assert sentence[-1].isalnum() or sentence[-1] == ")", sentence
            for title in re.findall(r"([A-Z]\w+): ", sentence):
                assert title in {option.title for option in options.OPTIONS}, sentence


def _make_answers(text: str) -> list[str]:
    """Answers that are cut, empty, or of another shape."""
    return ["", text[: len(text) // 2], "[]", "{}", "null", '{"motions": []}', '{"motions": [3]}', '[{"error": ""}]']


def test_odd_answers_are_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "answer.json"
    texts = _make_answers(json.dumps({"motions": [MOTION]})) + _make_answers(
        json.dumps([{"error": "", "motions": [[FINDING]]}])
    )
    for missing in ("moved_m", "before", "parts"):
        texts.append(json.dumps({"motions": [{key: value for key, value in MOTION.items() if key != missing}]}))
    for text in texts:
        path.write_text(text)
        for read in (partial(report.read_report, clock=FROM_101), report.read_findings):
            with pytest.raises(program.Failure, match=r"^The program('s answer)? is [^\n]+$"):
                read(path)
