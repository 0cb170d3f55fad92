"""Mistakes on the command line change nothing, and end in one sentence and exit code 2."""

import importlib.metadata
import json
import os
import platform
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import Says

from selfcorrect.commands import cli
from selfcorrect.commands.cli import COMMANDS, main
from selfcorrect.commands.command_line.help_page import list_option_names
from selfcorrect.commands.command_line.parsing import parse_options
from selfcorrect.core.errors import InputError, LoopError
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.files.rigs.bvh import read_bvh
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.locks import LOCK

PROGRAM = [sys.executable, "-m", "selfcorrect.commands.cli"]


@pytest.mark.parametrize("closed", [(1,), (0, 1, 2)])
def test_closed_streams_are_ignored(tmp_path: Path, walk: Motion, closed: tuple[int, ...]) -> None:
    """Nothing is written into files that get the number of a closed stream."""
    save_motion(tmp_path / "a.bvh", walk)
    redirections = " ".join(f"{number}>&-" for number in closed)
    command = ["bash", "-c", f'"$@" {redirections}', "bash", *PROGRAM, "correct", "a.bvh", "--kinematic"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert len(read_bvh(tmp_path / "corrected" / "a.bvh").motion) == len(walk)
    assert (tmp_path / "corrected" / LOCK).read_text().count("\n") == 2
    assert 1 in closed or "Corrected 1 of 1 motion" in ended.stdout


def test_numerical_warnings_are_hidden() -> None:
    program = (
        "import warnings, numpy; from selfcorrect.commands import cli; cli.main(['--version']); "
        "numpy.log(numpy.zeros(1)); numpy.mean([]); warnings.warn('rule P1 was left out', RuntimeWarning)"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "rule P1 was left out" in ended.stderr
    assert "divide by zero" not in ended.stderr
    assert "empty slice" not in ended.stderr


@pytest.mark.slow
def test_unprintable_is_replaced(tmp_path: Path, walk: Motion) -> None:
    save_motion(tmp_path / "λ.bvh", walk)
    plain = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": ""}
    for words in (["correct", "λ.bvh"], ["check", "λ.bvh"], ["check", "--rules"], ["verify", "corrected"]):
        ended = subprocess.run([*PROGRAM, *words], cwd=tmp_path, capture_output=True, env=plain, check=False)
        assert ended.returncode in (0, 1), ended.stderr
        assert b"?" in ended.stdout or words[1:] in (["λ.bvh"], ["corrected"])


HEAVY = {"torch", "numpy", "scipy", "matplotlib", "pyarrow", "wandb", "imageio", "pybullet", "sklearn"}


DATA = ["list", "formats", "check", "convert", "profile", "samples", "stats", "shard"]
LIGHT = [
    ["--help"],
    ["--version"],
    ["corect"],
    ["data", "chek"],
    ["correct", "--stength", "1"],
    *([name, "--help"] for name in COMMANDS),
    ["correct", "nosuch.bvh"],
    ["correct", __file__],
    ["view", "nosuch.bvh"],
    ["view", __file__],
    ["motion", "--data", "nosuch"],
    ["motion", "--policy", "replaced"],
    ["motion", "--corrector", "phisics"],
    ["motion", "--remedy", "none", "nosuch"],
    ["motion", "--denoiser", "nosuch"],
    ["motion", "--runner", "nosuch"],
    ["view", __file__, "--out", __file__],
    ["toy", "--text", "nosuch.txt"],
    ["toy", "gausian"],
    ["toy", "list"],
    ["data", "check", "nosuch"],
    ["data", "convert", "nosuch", "--out", "out"],
]
"""Words after which a mistake or help is printed."""

GIVEN = """
import json, sys
from selfcorrect.commands.cli import main

heavy, loaded = set(json.loads(sys.argv[1])), {}
for words in json.loads(sys.argv[2]):
    try:
        main(words)
    except SystemExit:
        pass
    loaded[" ".join(words)] = sorted(heavy & sys.modules.keys())
print(json.dumps(loaded))
"""


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("command", [*COMMANDS, *(f"data {name}" for name in ("check", "convert", "stats", "shard"))])
def test_help_shows_valid_defaults(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Defaults raise no warnings in the help, as values of another type than their options would."""
    with pytest.raises(SystemExit):
        main([*command.split(), "--help"])
    words = re.sub(r"[\s│]+", " ", capsys.readouterr().out)
    assert not re.search(r"\(default: (None|''|)\)", words)
    assert "(default: " in words or command in ("data", "demo", "join", "verify")


@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS), *(["data", name] for name in DATA)])
def test_help_begins_with_examples(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    printed = capsys.readouterr().out
    lines = [line.strip() for line in printed.partition("Examples:")[2].splitlines() if line.startswith("  self")]
    assert lines
    assert "usage:" not in printed[: printed.index(lines[-1])]
    for line in lines:
        name, *words = shlex.split(line)[1:]
        kind = cli.load_command(name)
        if subcommands := cli.find_subcommands(kind):
            kind, *words = subcommands[words[0]], *words[1:]
        parse_options(kind, name, [word for word in words if not word.endswith(".yaml")])


def test_help_groups_options(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["correct", "--help"])
    boxes = re.split(r"^[╭─ ]*(\w+) options\b.*$", capsys.readouterr().out, flags=re.MULTILINE)
    groups = dict(zip(boxes[1::2], boxes[2::2], strict=True))
    assert list(groups) == ["reading", "control", "scene", "advanced"]
    assert "--fps" in groups["reading"]
    assert "--frames" in groups["control"]
    assert "--retime" in groups["advanced"]
    assert "--strength" in boxes[0]


@pytest.mark.parametrize("command", [[name] for name in COMMANDS if name != "data"])
def test_help_shows_every_option(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([*command, "--help"])
    printed = capsys.readouterr().out
    unnamed = {"--inputs", "--file", "--files", "--folder", "--parts", "--runs"}
    unnamed |= {"--arms"} if command == ["compare"] else set()
    for name in list_option_names(cli.load_command(command[0])):
        other = name.replace("--no-", "--") if name.startswith("--no-") else name.replace("--", "--no-", 1)
        assert re.search(rf"({name}|{other})\b", printed) or name in unnamed, name


def test_help_wraps_to_terminal(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    main(["check", "nosuch.bvh"])  # reads no texts of options
    with pytest.raises(SystemExit):
        main(["check", "--help"])
    printed = capsys.readouterr().out
    assert "by which the body has a person's stature)." in printed  # a line break in the source
    assert "in pyproject.toml, under [tool.selfcorrect.check]." in printed  # and one in a docstring


@pytest.mark.slow
def test_help_imports_nothing_heavy():
    """One process shows that no help imports heavy packages: what all commands do not import, none imports alone."""
    program = [sys.executable, "-c", GIVEN, json.dumps(sorted(HEAVY)), json.dumps(LIGHT)]
    output = subprocess.run(program, capture_output=True, text=True, check=True).stdout
    loaded = json.loads(output.splitlines()[-1])
    assert loaded.keys() == {" ".join(words) for words in LIGHT}
    assert {words: modules for words, modules in loaded.items() if modules} == {}


@pytest.mark.parametrize("words", [["data", "list"], ["motion", "--help"]])
def test_closed_pipe_ends_quietly(words: list[str]):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as nobody:
        ended = subprocess.run([*PROGRAM, *words], stdout=nobody, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (141, "")


def test_full_disk_is_one_sentence():
    with open("/dev/full", "w") as full:
        ended = subprocess.run([*PROGRAM, "data", "list"], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (2, "selfcorrect: no space left on device\n")


@pytest.fixture(scope="module")
def completion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a shell needs to complete words."""
    path = tmp_path_factory.mktemp("shell") / "completion"
    with path.open("w") as file:
        subprocess.run([*PROGRAM, "--tyro-print-completion", "bash"], stdout=file, check=False)
    return path


@pytest.mark.parametrize(
    ("line", "expected"),
    [("selfcorrect co", "correct"), ("selfcorrect correct --stre", "--strength"), ("selfcorrect data che", "check")],
)
def test_tab_completes_commands_and_options(line: str, expected: str, completion: Path):
    typed = f"COMP_WORDS=({line}); COMP_CWORD={line.count(' ')}; COMP_LINE='{line}'; COMP_POINT={len(line)}"
    program = f"source {completion}; {typed}; _tyro_selfcorrect; echo ${{COMPREPLY[*]}}"
    completed = subprocess.run(["bash", "-c", program], capture_output=True, text=True, check=False)
    assert expected in completed.stdout.split()


def fails_with(error: Exception) -> type:
    """A command that raises."""

    @dataclass
    class Fails:
        def run(self) -> None:
            raise error

    return Fails


def test_bug_is_reported(monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    monkeypatch.setattr(cli, "load_command", lambda _: fails_with(KeyError("stride")))
    error = says("toy", code=70)
    assert "KeyError: 'stride'" in error
    assert "report it to the maintainers" in error
    assert f"selfcorrect {importlib.metadata.version('selfcorrect')}" in error
    assert f"Python {platform.python_version()}" in error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("the file is empty"), "the file is empty"),
        (PermissionError(13, "Permission denied", "secret.bvh"), "secret.bvh: permission denied"),
        (OSError(28, "No space left on device"), "no space left on device"),
    ],
)
def test_traceback_on_request(
    error: Exception, sentence: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "load_command", lambda _: fails_with(error))
    assert main(["toy"]) == 2
    assert capfd.readouterr().err == f"selfcorrect: {sentence}\n"
    assert main(["toy", "--debug"]) == 2
    shown = capfd.readouterr().err
    assert shown.startswith("Traceback")
    assert shown.endswith(f"selfcorrect: {sentence}\n")
    assert "report" not in shown


def test_bug_in_generation_is_shown(monkeypatch: pytest.MonkeyPatch, says: Says) -> None:
    failed = LoopError("generation 3 stopped", "Traceback of the cause")
    monkeypatch.setattr(cli, "load_command", lambda _: fails_with(failed))
    error = says("toy", code=70)
    assert error.startswith("selfcorrect: generation 3 stopped\nTraceback of the cause\n")
    assert "report it to the maintainers" in error
