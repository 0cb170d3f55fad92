# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that does the work: where it is, how it is called, how far it is, what it says. Needs no Blender."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

NAME = "selfcorrect"
OLDEST_PYTHON = (3, 11)
_PATIENCE_S = 5.0
"""Time that a program has to end before it is killed."""

WAITING = "computing"
"""What is under way while a program runs, and there is nothing to do but wait."""

Steps = Iterator["tuple[float, str]"]
"""Work in small steps: each says which share is done, and what is under way. Closing it cancels the work."""


class Failure(Exception):
    """What went wrong, in one sentence for the user."""


@dataclass(frozen=True)
class Program:
    """A program that was found."""

    path: str
    origin: str
    """Where it was found, in words."""


def find_program(preference: str, environment: Path) -> Program:
    """The program of the preferences, else the one on the path, else that of the extension's own environment.

    Raises Failure where the preference names no file, or nothing is found.
    """
    if preference:
        if not Path(preference).is_file():
            raise Failure(f"The preferences name {preference} as the program, and there is no such file")
        return Program(preference, "preferences")
    if on_path := shutil.which(NAME):
        return Program(on_path, "search path")
    own = script_of(environment, NAME)
    if own.is_file():
        return Program(str(own), "environment of the extension")
    raise Failure("The program selfcorrect was not found; name it or install it in the preferences of the extension")


def script_of(environment: Path, name: str) -> Path:
    """A program of a Python environment."""
    return environment / ("Scripts" if os.name == "nt" else "bin") / (f"{name}.exe" if os.name == "nt" else name)


def answer_of(command: Sequence[str]) -> str:
    """What a command prints. Raises Failure where it cannot be started or fails."""
    try:
        done = subprocess.run(
            command, env=_environment(), capture_output=True, text=True, timeout=120, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failure(f"{command[0]} does not run: {error}") from error
    if done.returncode:
        raise Failure(f"{command[0]} does not run: {last_words(done.stderr) or f'exit code {done.returncode}'}")
    return done.stdout


def version_of(program: Program) -> str:
    """Such as "selfcorrect 0.2.0". Raises Failure where it is another program."""
    said = answer_of([program.path, "--version"]).strip()
    if not re.fullmatch(rf"{NAME} \d\S*", said):
        raise Failure(f"{program.path} is not the program selfcorrect: it says {said[:60]!r}")
    return said


# --- what it is called with ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Correction:
    """Options of a correction, as on the command line."""

    strength: str = "balanced"
    kinematic: bool = False
    support: str = "infer"
    remove_drift: bool = False
    floor_at_zero: bool = False
    """Whether the floor of the file is known, and lies at 0; otherwise it is inferred."""
    frames: tuple[int, int] | None = None
    """First frame and last frame to correct, counted from 0; None for all."""
    keep_hands: bool = False
    ground: Path | None = None
    """What the motion stands on."""
    contacts: Path | None = None
    """Contacts to use in place of inferred ones."""
    contacts_out: Path | None = None
    """Where the contacts of the result are written."""


_READ = ("--up", "y!", "--metres-per-unit", "1")
"""What Blender knows of the file, so that nothing is guessed."""


def correct_command(program: Program, source: Path, out: Path, options: Correction) -> list[str]:
    """The command that corrects a file into a folder."""
    words = [program.path, "correct", str(source), "--out", str(out), "--workers", "1", *_READ]
    words += ["--kinematic"] if options.kinematic else ["--strength", options.strength]
    words += ["--support", options.support] if options.support != "infer" else []
    words += ["--remove-drift"] if options.remove_drift else []
    words += ["--floor", "0"] if options.floor_at_zero else []
    words += ["--frames", f"{options.frames[0]}:{options.frames[1]}"] if options.frames else []
    words += ["--keep", "hands"] if options.keep_hands else []
    words += ["--ground", str(options.ground)] if options.ground else []
    words += ["--contacts", str(options.contacts)] if options.contacts else []
    return words + (["--contacts-out", str(options.contacts_out)] if options.contacts_out else [])


def check_command(program: Program, source: Path, findings: Path, ground: Path | None = None) -> list[str]:
    """The command that writes what is implausible in a file; ground: what the motion stands on."""
    words = [program.path, "check", str(source), "--format", "json", "--out", str(findings), "--overwrite", *_READ]
    return words + (["--ground", str(ground)] if ground else [])


def options_of(program: Program, command: str) -> frozenset[str]:
    """The options that a command of the program has; it is asked once."""
    return _asked_options(program.path, command, os.stat(program.path).st_mtime_ns)


@lru_cache
def _asked_options(path: str, command: str, modified_ns: int) -> frozenset[str]:
    return frozenset(re.findall(r"(?<![\w-])--[a-z][\w-]*", answer_of([path, command, "--help"])))


def require_options(program: Program, command: Sequence[str]) -> None:
    """Raise Failure where the program is too old for an option that is asked for."""
    for word in command:
        if word.startswith("--") and word not in options_of(program, command[1]):
            raise Failure(f"{version_of(program)} has no option {word}; install a newer one")


def install_commands(python: str, environment: Path, package: str) -> list[list[str]]:
    """The commands that make the extension's own environment. Raises Failure where the Python is too old."""
    said = answer_of([python, "-c", "import sys; print(*sys.version_info[:2])"])
    version = tuple(map(int, said.split()))
    if version < OLDEST_PYTHON:
        raise Failure(f"{python} is Python {version[0]}.{version[1]}; selfcorrect needs 3.11 or newer")
    pip = [str(script_of(environment, "python")), "-m", "pip", "install", "--disable-pip-version-check", "--upgrade"]
    return [[python, "-m", "venv", "--clear", str(environment)], [*pip, package]]


# --- running it ------------------------------------------------------------------------------------------------------


def _environment() -> dict[str, str]:
    """The environment of the program, without what is meant for Blender's own Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return kept | {"SELFCORRECT_PROGRESS": "always", "PYTHONUTF8": "1", "COLUMNS": "200"}


def run(command: Sequence[str], log: Path, good: Sequence[int] = (0,)) -> Steps:
    """Run a command; its output is added to the log. Closing the steps ends the program and all that it started.

    Raises Failure where it ends with another exit code than the good ones.
    """
    with log.open("ab") as out:
        out.write(f"\n$ {' '.join(map(str, command))}\n".encode())
        out.flush()
        start = out.tell()
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=_environment(), **_own_group()
            )
        except OSError as error:
            raise Failure(f"{command[0]} does not run: {error.strerror or error}") from error
        try:
            while process.poll() is None:
                yield share_of(_said(log, start)), WAITING
        finally:
            end(process)
    if process.returncode not in good:
        said = last_words(_said(log, start))
        raise Failure(said or f"{Path(command[0]).name} ended with exit code {process.returncode}")


def _own_group() -> dict[str, Any]:
    """So that a program ends with all that it has started."""
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


def _said(log: Path, start: int) -> str:
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode("utf-8", "replace")


def share_of(said: str) -> float:
    """The share that the program's progress bars show last, 0 to 1; 0 before there is any."""
    shares = re.findall(r"(\d{1,3})%\|", said)
    return min(int(shares[-1]), 100) / 100 if shares else 0.0


def last_words(said: str) -> str:
    """The sentence with which a program ended, without frames, its name and progress bars."""
    lines = [re.sub(r"[│╭╮╰╯─]", "", line).strip() for line in re.split(r"[\r\n]+", said)]
    told = [line for line in lines if line and "%|" not in line]
    own = [line.removeprefix(f"{NAME}: ") for line in told if line.startswith(f"{NAME}: ")]
    return next(iter([*own[-1:], *told[-1:]]), "")
