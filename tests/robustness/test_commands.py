"""Odd options and forged files change nothing.

Commands end in a sentence, with an exit code.
"""

import contextlib
import io
import json
import os
import re
import shutil
import signal
from collections.abc import Iterable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from robustness.damage import Random, examples, reword, short_walk, sound
from robustness.faults import in_a_fork

from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.storage.files.digests import DIGEST_KEY, encode_with_digest

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]

LONGEST_S = 120
NUMBERS = ("0", "-1", "1", "nan", "inf", "1e308", "1e-320", "1000000000", "9" * 20, "9" * 50, "x", "", "1.5", "-0.0")
TEXTS = ("", "x", "..", "/", "/dev/null", "/proc/self/mem", "nowhere", "caf\udce9", "a\nb", "λ", "-", "--", "x" * 300,
         "~", "*", "%s%n", "{}", "\x1b[2J")  # fmt: skip
PLACES = ("good.bvh", "bad.bvh", "data", "nowhere", "/dev/null", "/dev/full", "empty", "", ".", "good.npz", "pipe",
          "loop")  # fmt: skip
COMMANDS: dict[str, str] = {
    "correct": "--kinematic", "check": "", "data check": "", "data stats": "", "data convert": "--out converted",
    "data shard": "--out converted", "data list": "", "data formats": "", "verify": "",
    "view": "--out seen.png", "motion": "--real-count 999999", "toy": "weighting --quick",
}  # fmt: skip
"""Each with words that keep it short; `motion` has fewer motions than it should take."""
TAKES_PLACES = ("correct", "check", "data check", "data stats", "data convert", "data shard", "verify",
                "view")  # fmt: skip
NEVER = ("--help", "--version", "--retime", "--open", "--port", "--host", "--wandb")

_OPTION = re.compile(r"^[│ ] (?:-\w+ \S+, )?(--[a-z][\w.-]*)(?:, --no-\S+)?(?: ([{A-Z]\S*))?", re.MULTILINE)


@cache
def options_of(command: str) -> dict[str, str]:
    """Map the options that a command's help lists to their kinds."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main([*command.split(), "--help"])
    return {name: kind for name, kind in _OPTION.findall(output.getvalue()) if name not in NEVER}


def odd_value(kind: str, random: Random) -> list[str]:
    """Return a bad value for an option, or none for a flag."""
    if not kind:
        return []
    usual = NUMBERS if "INT" in kind or "FLOAT" in kind else PLACES if "PATH" in kind else TEXTS
    values = usual if random.random() < 0.8 else (*NUMBERS, *TEXTS, *PLACES)
    return [values[random.integers(len(values))]]


def words_of(command: str, random: Random) -> list[str]:
    """Return a command line with some odd options."""
    always = COMMANDS[command].split()
    options = options_of(command)
    words = [PLACES[random.integers(3 if random.random() < 0.6 else len(PLACES))]] * (command in TAKES_PLACES)
    for name in random.permutation(list(options))[: random.integers(0, 4)]:
        if name not in always:
            words += [name, *odd_value(options[name], random)]
    if random.random() < 0.1:
        words.append(("--nonsense", "-", "--out=", "extra", "\udcff")[random.integers(5)])
    return [*command.split(), *words, *always]


def in_place(words: list[str], place: Path) -> None:
    """Run a command line in a folder, and end it after a limit."""
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(LONGEST_S)
    os.chdir(place)
    os.environ["WANDB_MODE"] = "offline"
    raise SystemExit(main(words))


def run_to_end(words: list[str], place: Path) -> tuple[int, str]:
    """Exit code and what was said."""
    message_file = place.with_name(f"{place.name}.txt")
    code = in_a_fork(partial(in_place, words, place), message_file)
    return code, message_file.read_text(errors="replace")


def assert_clean(words: list[str], place: Path) -> str:
    code, message = run_to_end(words, place)
    assert code in (0, 1, 2), (words, code, message)
    assert "Traceback" not in message, (words, message)
    assert "internal error" not in message, (words, message)
    assert code != 2 or message.strip(), words
    return message


def run_commands_here(commands: Iterable[list[str]], folder: Path) -> None:
    """Run commands here, so forks need no imports."""
    save_motion(folder / "data" / "a.bvh", short_walk())
    with contextlib.chdir(folder):
        assert all(main(words) in (0, 1, None) for words in commands)


@pytest.fixture(scope="module")
def input_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What options may name."""
    folder = tmp_path_factory.mktemp("prepared") / "place"
    (folder / "data").mkdir(parents=True)
    (folder / "empty").mkdir()
    kinds = {".bvh": "bvh.bvh", ".npz": "amass.npz", ".npy": "humanml3d.npy"}
    for name in ("good.bvh", "good.npz", "data/a.bvh", "data/b.npz", "data/c.npy"):
        (folder / name).write_bytes(sound(kinds[Path(name).suffix]))
    (folder / "bad.bvh").write_text("HIERARCHY\nROOT")
    run_commands_here(
        [["correct", "data", "-o", "out", "--kinematic"], ["verify", "out"]], tmp_path_factory.mktemp("loaded")
    )
    return folder


@pytest.mark.parametrize("command", COMMANDS)
def test_odd_options_lose_nothing(command: str, input_folder: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(len(command))
    for case in range(examples(3)):
        place = tmp_path / str(case)
        shutil.copytree(input_folder, place)
        os.mkfifo(place / "pipe")
        (place / "loop").symlink_to("loop")
        words = words_of(command, random)
        assert_clean(words, place)
        replaceable = words if "--overwrite" in words else ()
        for path in (path for path in input_folder.rglob("*") if path.is_file()):
            name = str(path.relative_to(input_folder))
            assert name in replaceable or (place / name).read_bytes() == path.read_bytes(), words
        assert Path("/dev/null").is_char_device()


def test_options_are_in_help() -> None:
    assert options_of("data shard")["--motions-per-shard"] == "INT"
    assert options_of("correct")["--kinematic"] == ""
    assert all(len(options_of(command)) > 3 for command in TAKES_PLACES if command != "verify")


# --- forged files ----------------------------------------------------------------------------------------------------

AGAIN = {
    "out": ["correct", "data", "-o", "out", "--kinematic", "--workers", "1"],
    "set": ["data", "shard", "data", "-o", "set", "--overwrite", "--workers", "1"],
    "corrected": ["correct", "set", "-o", "corrected", "--kinematic", "--keep-failed", "--workers", "1"],
}
"""What made each folder, to be done again."""


@pytest.fixture(scope="module")
def forged_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What commands leave."""
    folder = tmp_path_factory.mktemp("made") / "place"
    run_commands_here([*AGAIN.values(), ["verify", "out"]], folder)
    return folder


def forge_content(content: bytes, random: Random) -> bytes:
    """Forge JSON values and mend their digest.

    Values are replaced by others, or nested far too deeply.
    """
    if random.random() < 0.2:
        depth = (900, 100_000)[random.integers(2)]
        return b'{"x": ' + b"[" * depth + b"]" * depth + b', "sha256": "' + b"0" * 64 + b'"}\n'
    try:
        values = json.loads(reword(content, random))
    except ValueError:
        return content
    return encode_with_digest(
        {key: value for key, value in values.items() if key != DIGEST_KEY} if isinstance(values, dict) else {}
    )


@pytest.mark.parametrize("part", ["out", "corrected"])
def test_forged_files_are_no_bug(part: str, forged_source: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    files = sorted(path for path in (forged_source / part).rglob("*.json*"))
    assert files
    for case in range(examples(8)):
        place = tmp_path / str(case)
        path = files[random.integers(len(files))]
        shutil.copytree(forged_source, place)
        (place / path.relative_to(forged_source)).write_bytes(forge_content(path.read_bytes(), random))
        for words in (["verify", part], AGAIN[part]):
            assert_clean(words, place)
