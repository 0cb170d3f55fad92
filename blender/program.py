# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that does the work: where it is, how it is called, how far it is. Needs no Blender."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "selfcorrect"
OLDEST_PYTHON = (3, 11)
_PATIENCE_S = 5.0
"""Time that a program has to end before it is killed."""
_ANSWER_S = 120.0
"""Time that a program has to answer a question."""
WAITING = "computing"
"""Stage of the work in which there is nothing to do but wait for a program."""

Steps = Iterator["tuple[float, str]"]
"""Work in small steps, each of which yields the share done and the stage. Closing it cancels the work."""


class Failure(Exception):
    """A sentence for the user: what went wrong, and what to do."""


# --- where it is -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """A program that was found."""

    command: tuple[str, ...]
    """Words with which it is called."""
    origin: str
    """Place in which it was found, in words."""

    @property
    def path(self) -> str:
        """The file that shows which program it is."""
        return self.command[0]


def find_program(preference: str, bundled: Program | None, environment: Path) -> Program:
    """Return the program to use.

    Args:
        preference: The program of the preferences, which comes first; "" for none.
        bundled: The program in the extension, which comes next. The program on the search path follows.
        environment: The extension's own environment, the program of which comes last.

    Raises:
        Failure: if the preference names no file, or nothing is found.
    """
    if preference:
        if not Path(preference).is_file():
            raise Failure(f"The preferences name {preference} as the program, and there is no such file")
        return Program((preference,), "preferences")
    if bundled is not None:
        return bundled
    if on_path := shutil.which(NAME):
        return Program((on_path,), "search path")
    script = get_script(environment, NAME)
    if script.is_file():
        return Program((str(script),), "environment of the extension")
    raise Failure("The program selfcorrect was not found; install it in the preferences of the extension")


def get_script(environment: Path, name: str) -> Path:
    """Return the path of a program in a Python environment."""
    if os.name == "nt":
        return environment / "Scripts" / f"{name}.exe"
    return environment / "bin" / name


def ask(command: Sequence[str]) -> str:
    """Return what a command prints. Raises Failure if it cannot be started or fails."""
    try:
        process = subprocess.run(
            command,
            env=_make_environment(),
            capture_output=True,
            text=True,
            timeout=_ANSWER_S,
            errors="replace",
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{command[0]} does not run: {error}") from error
    if process.returncode:
        sentence = find_last_sentence(process.stderr) or f"exit code {process.returncode}"
        raise Failure(f"{command[0]} does not run: {sentence}")
    return process.stdout


def ask_in_steps(command: Sequence[str]) -> Steps:
    """Yield steps that end with what a command prints. Raises Failure if it cannot be started or fails."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=errors,
                env=_make_environment(),
                **_group_options(),
            )
        except OSError as error:
            raise Failure(f"{command[0]} does not run: {error.strerror or error}") from error
        try:
            while process.poll() is None:
                yield 0.0, WAITING
        finally:
            end(process)
        for file in (out, errors):
            file.seek(0)
        if process.returncode:
            sentence = find_last_sentence(errors.read().decode("utf-8", "replace"))
            raise Failure(f"{command[0]} does not run: {sentence or f'exit code {process.returncode}'}")
        return out.read().decode("utf-8", "replace")


def get_version(program: Program) -> str:
    """Return a text such as "selfcorrect 0.2.0". Raises Failure if it is another program."""
    answer = ask([*program.command, "--version"]).strip()
    if not re.fullmatch(rf"{NAME} \d\S*", answer):
        raise Failure(f"{program.path} is not the program selfcorrect: it says {answer[:60]!r}")
    return answer


# --- what it is called with ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CorrectionOptions:
    """Options of a correction, as on the command line."""

    strength: str = "balanced"
    kinematic: bool = False
    support: str = "infer"
    remove_drift: bool = False
    level: bool = False
    """Turn a motion on a tilted floor level."""
    keep_level: bool = False
    """Keep the motion on the level where it stands."""
    floor_at_zero: bool = False
    """Take the floor to be at 0; otherwise it is inferred."""
    frames: tuple[int, int] | None = None
    """First frame and last frame to correct, counted from 0; None for all."""
    keep_hands: bool = False
    ground: Path | None = None
    """File of the ground on which the motion stands."""
    contacts: Path | None = None
    """Contacts to use in place of inferred ones."""
    contacts_out: Path | None = None
    """File for the contacts of the result."""


_READING = ("--up", "y!", "--metres-per-unit", "1")
"""Facts of the file that Blender knows, so that nothing is guessed."""
_OPTION_TITLES = {
    "--keep-level": "Floor: Where It Stands",
    "--floor": "Floor: At Height",
    "--ground": "Ground",
    "--contacts": "Use Edited Contacts",
    "--frames": "ranges of frames",
    "--keep": "Keep Hands",
    "--remove-drift": "Remove Drift",
    "--level": "Level Floor",
    "--kinematic": "Kinematic Only",
    "--strength": "Strength",
    "--support": "Support",
}
"""Options of the program as the user sees them."""


def make_correct_command(program: Program, source: Path, out: Path, options: CorrectionOptions) -> list[str]:
    """Return the command that corrects a file into a folder.

    Args:
        program: The program.
        source: The motion.
        out: The folder.
        options: Options of the correction.
    """
    words = [*program.command, "correct", str(source), "--out", str(out), "--workers", "1", *_READING]
    words += ["--kinematic"] if options.kinematic else ["--strength", options.strength]
    if options.support != "infer":
        words += ["--support", options.support]
    if options.remove_drift:
        words.append("--remove-drift")
    if options.level:
        words.append("--level")
    if options.keep_level:
        words.append("--keep-level")
    if options.floor_at_zero:
        words += ["--floor", "0"]
    if options.frames is not None:
        words += ["--frames", f"{options.frames[0]}:{options.frames[1]}"]
    if options.keep_hands:
        words += ["--keep", "hands"]
    for name in ("ground", "contacts", "contacts_out"):
        if (path := getattr(options, name)) is not None:
            words += [f"--{name.replace('_', '-')}", str(path)]
    return words


def make_check_command(
    program: Program, source: Path, findings: Path, ground: Path | None = None, *, is_floor_known: bool = False
) -> list[str]:
    """Return the command that writes what is implausible in a file.

    Args:
        program: The program.
        source: The motion.
        findings: The file to write.
        ground: What the motion stands on.
        is_floor_known: Whether the floor lies at 0 for sure.
    """
    words = [
        *program.command,
        "check",
        str(source),
        "--format",
        "json",
        "--out",
        str(findings),
        "--overwrite",
        *_READING,
    ]
    if ground is not None:
        words += ["--ground", str(ground)]
    if is_floor_known:
        words += ["--floor", "0"]
    return words


_known_options: dict[tuple[tuple[str, ...], str, int], frozenset[str]] = {}


def list_options(program: Program, command: str) -> Steps:
    """Yield steps that end with the options that a command of the program has; it is asked once."""
    key = (program.command, command, os.stat(program.path).st_mtime_ns)
    if key not in _known_options:
        answer = yield from ask_in_steps([*program.command, command, "--help"])
        _known_options[key] = frozenset(re.findall(r"(?<![\w-])--[a-z][\w-]*", answer))
    return _known_options[key]


def require_options(program: Program, command: Sequence[str], options: frozenset[str]) -> None:
    """Refuse a command for which the program is too old.

    Args:
        program: The program.
        command: The command.
        options: Options that the program has.

    Raises:
        Failure: if it lacks one.
    """
    for word in command[len(program.command) :]:
        if word.startswith("--") and word not in options:
            title = _OPTION_TITLES.get(word, "what this extension needs")
            raise Failure(f"{get_version(program)} does not know {title}; install a newer one")


def make_install_commands(python: str, environment: Path, package: str, wheels: str = "") -> list[list[str]]:
    """Return the commands that make the extension's own environment.

    Args:
        python: The Python that it is made from.
        environment: Its folder.
        package: What pip installs: a wheel, a folder or a name.
        wheels: Folder of wheels to take everything from, without the network; "" for the package index.

    Raises:
        Failure: if the Python is too old.
    """
    answer = ask([python, "-I", "-c", "import sys; print(*sys.version_info[:2])"])
    version = tuple(map(int, answer.split()))
    if version < OLDEST_PYTHON:
        raise Failure(f"{python} is Python {version[0]}.{version[1]}; selfcorrect needs 3.11 or newer")
    pip = [str(get_script(environment, "python")), "-m", "pip", "install", "--disable-pip-version-check", "--upgrade"]
    if wheels:
        pip += ["--no-index", "--find-links", wheels]
    return [[python, "-I", "-m", "venv", "--clear", str(environment)], [*pip, package]]


# --- running it ------------------------------------------------------------------------------------------------------


def _make_environment() -> dict[str, str]:
    """Return the environment of the program, without what is meant for Blender's own Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return environment | {"SELFCORRECT_PROGRESS": "always", "PYTHONUTF8": "1", "COLUMNS": "200"}


def run(command: Sequence[str], log: Path, good: Sequence[int] = (0,)) -> Steps:
    """Yield steps while a command runs. Closing them ends the program and all that it started.

    Args:
        command: The command.
        log: File to which its output is added.
        good: Exit codes of success.

    Raises:
        Failure: if it ends with another exit code.
    """
    with log.open("ab") as out:
        out.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        out.flush()
        start = out.tell()
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=_make_environment(), **_group_options()
            )
        except OSError as error:
            raise Failure(f"{command[0]} does not run: {error.strerror or error}") from error
        try:
            while process.poll() is None:
                yield find_share(read_log(log, start)), WAITING
        finally:
            end(process)
    if process.returncode not in good:
        sentence = find_last_sentence(read_log(log, start))
        raise Failure(sentence or f"{Path(command[0]).name} ended with exit code {process.returncode}")


def _group_options() -> dict[str, Any]:
    """Return options by which a program ends with all that it has started."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def end(process: subprocess.Popen[bytes]) -> None:
    """End a program that still runs: first kindly, then for good."""
    if process.poll() is not None:
        return
    if os.name == "nt":
        subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
    else:
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        if os.name != "nt":
            os.killpg(process.pid, signal.SIGKILL)
        process.kill()
        process.wait()


# --- what it prints --------------------------------------------------------------------------------------------------


def get_log_size(log: Path) -> int:
    """Return where the next output will begin in the log."""
    return log.stat().st_size if log.is_file() else 0


def read_log(log: Path, start: int) -> str:
    """Return the log from a place on."""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode("utf-8", "replace")


def find_share(output: str) -> float:
    """Return the share that the program's progress bars show last, 0 to 1; 0 before there is any."""
    shares = re.findall(r"(\d{1,3})%\|", output)
    return min(int(shares[-1]), 100) / 100 if shares else 0.0


def find_last_sentence(output: str) -> str:
    """Return the sentence with which a program ended, without frames, file names, its own name and progress bars."""
    lines = [re.sub(r"[│╭╮╰╯─]", "", line).strip() for line in re.split(r"[\r\n]+", output)]
    lines = [line for line in lines if line and "%|" not in line]
    sentences = [line.removeprefix(f"{NAME}: ") for line in lines if line.startswith(f"{NAME}: ")]
    sentence = (sentences or lines or [""])[-1]
    return remove_file_name(sentence)


def remove_file_name(sentence: str) -> str:
    """Remove the names of temporary files, and what the program says of many files, from a sentence."""
    sentence = sentence.removeprefix("none of the files could be read and worked on; the first: ")
    return re.sub(r"(?:\S*[/\\])?(?:motion|contacts|ground|shown|report|findings)\.(?:bvh|json): ", "", sentence)
