"""How the extension finds, calls and understands the program."""

import json
import os
import sys
import time
import tomllib
from pathlib import Path

import pytest
import tyro

from selfcorrect.experiments.commands.check import CheckCommand
from selfcorrect.experiments.commands.correct import CorrectCommand

from .loading import EXTENSION, loaded

program = loaded("program")
TOOL = program.Program("selfcorrect", "search path")


def test_the_manifest_is_what_the_platform_asks_for() -> None:
    manifest = tomllib.loads((EXTENSION / "blender_manifest.toml").read_text())
    assert (manifest["schema_version"], manifest["type"], manifest["id"]) == ("1.0.0", "add-on", "selfcorrect")
    assert manifest["license"] == ["SPDX:GPL-3.0-or-later"]
    assert "wheels" not in manifest
    assert all(len(reason) <= 64 and reason[-1].isalpha() for reason in manifest["permissions"].values())
    assert len(manifest["tagline"]) <= 64


def test_the_preference_comes_first_then_the_path_then_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = program.script_of(tmp_path / "env", "selfcorrect")
    named, on_path = tmp_path / "named", tmp_path / "bin" / "selfcorrect"
    for each in (own, named, on_path):
        each.parent.mkdir(parents=True, exist_ok=True)
        each.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(on_path.parent))
    found = [program.find_program(name, tmp_path / "env") for name in (str(named), "")]
    monkeypatch.setenv("PATH", "")
    found.append(program.find_program("", tmp_path / "env"))
    assert [Path(each.path) for each in found] == [named, on_path, own]
    assert [each.origin for each in found] == ["preferences", "search path", "environment of the extension"]
    with pytest.raises(program.Failure, match="there is no such file"):
        program.find_program(str(tmp_path / "none"), tmp_path / "env")
    with pytest.raises(program.Failure, match="was not found; name it or install it"):
        program.find_program("", tmp_path / "nothing")


def test_the_program_understands_its_commands(tmp_path: Path) -> None:
    chosen = program.Correction(strength="physical", support="floor", remove_drift=True)
    command = program.correct_command(TOOL, tmp_path / "a.bvh", tmp_path / "out", chosen)
    understood = tyro.cli(CorrectCommand, args=command[2:])
    options = understood.options
    assert understood.inputs == (str(tmp_path / "a.bvh"),)
    assert (options.strength, options.support, options.remove_drift) == (1.0, "floor", True)
    assert (options.reading.up, options.reading.metres_per_unit) == ("y!", 1.0)
    command = program.check_command(TOOL, tmp_path / "a.bvh", tmp_path / "told.json", tmp_path / "ground.json")
    understood = tyro.cli(CheckCommand, args=command[2:])
    assert (understood.format, understood.reading.ground) == ("json", tmp_path / "ground.json")


def test_options_are_asked_for_only_where_the_program_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "answer_of", lambda command: "--strength --floor-colour --keep-failed --frames A:B")
    monkeypatch.setattr(program, "version_of", lambda tool: "selfcorrect 0.2.0")
    tool = program.Program(str(tmp_path), "preferences")
    base = [tool.path, "correct", "a.bvh"]
    program.require_options(tool, [*base, "--frames", "0:9"])
    for missing in ("--floor", "--keep"):
        with pytest.raises(program.Failure, match=rf"^selfcorrect 0.2.0 has no option {missing}; install a newer one$"):
            program.require_options(tool, [*base, missing, "0"])


def test_progress_and_last_words_come_from_what_was_printed() -> None:
    said = "\rcorrect:   0%|   | 0/1\n\r a.bvh: correct:  37%|███   | 43/115\x1b[A"
    assert [program.share_of(text) for text in ("", said, f"{said}\rcorrect: 100%|████| 1/1")] == [0, 0.37, 1]
    assert program.last_words(f"{said}\nselfcorrect: a.bvh: no such file\n\ntraceback\n") == "a.bvh: no such file"
    assert program.last_words("╭─ Unrecognized ─╮\n│ no --nope │\n╰─────╯\n") == "no --nope"
    assert program.last_words(said) == ""


def test_a_command_that_fails_says_why_and_one_that_is_stopped_ends(tmp_path: Path) -> None:
    log, pid = tmp_path / "log", tmp_path / "pid"
    wrong = "import sys; print('selfcorrect: no room', file=sys.stderr); sys.exit(2)"
    with pytest.raises(program.Failure, match=r"^no room$"):
        list(program.run([sys.executable, "-c", wrong], log))
    with pytest.raises(program.Failure, match="none does not run: No such file"):
        list(program.run([str(tmp_path / "none")], log))
    slow = f"import os, time; open({str(pid)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    steps = program.run([sys.executable, "-c", slow], log)
    while not (pid.is_file() and pid.read_text()):
        next(steps)
        time.sleep(0.02)
    steps.close()
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_an_environment_is_made_from_a_python_that_is_new_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    create, fill = program.install_commands(sys.executable, Path("env"), "selfcorrect")
    assert create[1:3] == ["-m", "venv"]
    assert fill[-2:] == ["--upgrade", "selfcorrect"]
    monkeypatch.setattr(program, "answer_of", lambda command: "3 10\n")
    with pytest.raises(program.Failure, match=r"old is Python 3.10; selfcorrect needs 3.11 or newer"):
        program.install_commands("old", Path("env"), "selfcorrect")


def test_findings_and_reports_are_understood(tmp_path: Path) -> None:
    finding = {
        "code": "F3", "name": "sliding", "start": 2, "stop": 9, "frame": 4, "value": 0.2229, "threshold": 0.16,
        "unit": "m/s", "things": ["left foot", "right foot"], "says": "slides",
    }  # fmt: skip
    path, log = tmp_path / "told.json", tmp_path / "log"
    log.write_text("selfcorrect: the disk is full\n")
    with pytest.raises(program.Failure, match=r"^the disk is full$"):
        program.read_findings(path, log)
    path.write_text(json.dumps([{"path": "a", "error": "", "notes": [], "motions": [[finding]]}]))
    assert program.read_findings(path, log) == [
        program.Found("F3", "sliding", 2, 8, 4, "left foot, right foot", "0.223 m/s", "slides")
    ]
    path.write_text(json.dumps([{"error": "a.bvh: line 3: expected OFFSET"}]))
    with pytest.raises(program.Failure, match="expected OFFSET"):
        program.read_findings(path, log)
    scores = {"penetration_m": 0.0289, "skate_m_s": 2.1}
    told = {"verdict": "accepted", "before": scores, "after": {"penetration_m": 0.0, "skate_m_s": 0.2}, "moved_m": 0.03}
    told["parts"] = {"left_knee": "LeftLeg"}
    path.write_text(json.dumps({"motions": [told]}))
    assert program.read_report(path) == program.Corrected(
        "penetration 29 → 0 mm, skating 2100 → 200 mm/s; joints moved by 30 mm on average", frozenset({"LeftLeg"})
    )
    path.write_text(json.dumps({"motions": [{"verdict": "rejected", "reason": "fell", "frame": 7}]}))
    with pytest.raises(program.Failure, match=r"^Not corrected: fell at frame 7$"):
        program.read_report(path)
