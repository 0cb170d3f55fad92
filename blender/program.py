# SPDX-License-Identifier: GPL-3.0-or-later
"""Find, call and follow the program. This module does not need Blender."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = "selfcorrect"
_PATIENCE_S = 5.0
"""Time in which a program must end before it is killed, in s."""
_ANSWER_S = 120.0
"""Time in which a program must answer, in s."""
_KILLED = (-9, 137, -6, 134, 3221225495)
"""Exit codes of programs that the system has killed or that got no memory; the last one is that of Windows."""
_EXCEPTION = re.compile(r"(?:\w+\.)*(\w*(?:Error|Exception|Interrupt|Warning))(?:: (.*))?")
"""Last line of a Python traceback."""
WAITING = "computing"
"""Stage of the work in which the extension only waits for a program."""

Steps = Iterator["tuple[float, str]"]
"""Work in small steps, each of which yields the finished share and the stage. Closing the iterator cancels the work."""


class Failure(Exception):
    """An error whose message tells the user what went wrong and what to do."""


# --- where it is -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Program:
    """A program that was found."""

    command: tuple[str, ...]
    """Words that call the program."""
    origin: str
    """Description of where it was found."""

    @property
    def path(self) -> str:
        """File that identifies the program."""
        return self.command[0]


def find_program(preference: str, bundled: Program | None, environment: Path) -> Program:
    """Return the program to use.

    Args:
        preference: Program in the preferences, which is used if it is not "".
        bundled: Program in the extension, which comes second, before the program on the search path.
        environment: Environment of the extension, whose program comes last.

    Raises:
        Failure: The program in the preferences does not exist, or no program is found.
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
    """Return the output of a command. Raises Failure if it fails or cannot be started."""
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


def get_version(program: Program) -> str:
    """Return the version, such as "selfcorrect 0.2.0". Raises Failure if it is another program."""
    answer = ask([*program.command, "--version"]).strip()
    if not re.fullmatch(rf"{NAME} \d\S*", answer):
        raise Failure(f"{program.path} is not the program selfcorrect: it says {answer[:60]!r}")
    return answer


# --- what it is called with ------------------------------------------------------------------------------------------


_READING = ("--up", "y!", "--metres-per-unit", "1")
"""Reading options for the file, which Blender knows, so that nothing is inferred."""


def make_correct_command(program: Program, source: Path, out: Path, options: Sequence[str]) -> list[str]:
    """Return the command that corrects a file into an output folder."""
    return [*program.command, "correct", str(source), "--out", str(out), "--workers", "1", *_READING, *options]


def make_check_command(program: Program, sources: Sequence[Path], findings: Path, options: Sequence[str]) -> list[str]:
    """Return the command that checks files and writes their findings to another file."""
    words = ["check", *map(str, sources), "--format", "json", "--out", str(findings), "--overwrite"]
    return [*program.command, *words, *_READING, *options]


def make_install_commands(environment: Path, package: Path, wheels: str = "") -> list[list[str]]:
    """Return the commands that create the extension's environment, with this Python, and install the program in it.

    Args:
        environment: Folder of the environment.
        package: Wheel of the program.
        wheels: Folder of wheels to install everything from without a network; "" for the package index.
    """
    pip = [str(get_script(environment, "python")), "-m", "pip", "install", "--disable-pip-version-check", "--upgrade"]
    if wheels:
        pip += ["--no-index", "--find-links", wheels]
    return [[sys.executable, "-I", "-m", "venv", "--clear", str(environment)], [*pip, str(package)]]


# --- running it ------------------------------------------------------------------------------------------------------


def _make_environment() -> dict[str, str]:
    """Return the environment variables without those for Blender's Python."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return environment | {"SELFCORRECT_PROGRESS": "always", "PYTHONUTF8": "1", "COLUMNS": "200"}


def run(command: Sequence[str], log: Path, good: Sequence[int] = (0,)) -> Steps:
    """Run a command in steps. Closing them ends the program and all its child processes.

    Args:
        command: Command to run.
        log: File to which the output is appended.
        good: Exit codes of success.

    Raises:
        Failure: The command ends with another exit code, or cannot be started.
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
        raise Failure(sentence if sentence and process.returncode > 0 else describe_exit(process.returncode))


def describe_exit(code: int | None) -> str:
    """Return a sentence on a program that ended without saying why.

    Args:
        code: Exit code; negative for a signal, and None if it is not known.
    """
    if code in (-signal.SIGTERM, 128 + signal.SIGTERM):
        return "The program was stopped by another program; run the command again"
    if code in _KILLED:
        return (
            "The system stopped the program, most likely because memory ran out; "
            "correct a shorter range, or close other programs"
        )
    return "The program ended unexpectedly; Show Log has its output, which you can send to its developers"


def _group_options() -> dict[str, Any]:
    """Return options for a process group, so that a program can be ended with its child processes."""
    if os.name == "nt":
        return {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    return {"start_new_session": True}


def end(process: subprocess.Popen[bytes]) -> None:
    """Terminate a running program and its child processes, and kill it if it does not end in time."""
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
    """Return the position in the log at which the next output begins."""
    return log.stat().st_size if log.is_file() else 0


def read_log(log: Path, start: int) -> str:
    """Return the log from a position on."""
    with log.open("rb") as file:
        file.seek(start)
        return file.read().decode("utf-8", "replace")


def find_share(output: str) -> float:
    """Return the last share (0 to 1) that the program's progress bars show, or 0 before there is any."""
    shares = re.findall(r"(\d{1,3})%\|", output)
    return min(int(shares[-1]), 100) / 100 if shares else 0.0


def find_last_sentence(output: str) -> str:
    """Return the last sentence in the program's output, without frames, file names, its name and progress bars."""
    if unknown := re.search(r"Unrecognized options?: (--[\w-]+)", output):
        return f"This program does not know {unknown[1]}; install a newer one"
    lines = [re.sub(r"[│╭╮╰╯─]", "", line).strip() for line in re.split(r"[\r\n]+", output)]
    lines = [line for line in lines if line and "%|" not in line]
    sentences = [line.removeprefix(f"{NAME}: ") for line in lines if line.startswith(f"{NAME}: ")]
    sentence = (sentences or lines or [""])[-1]
    if not sentences and (exception := _EXCEPTION.fullmatch(sentence)):
        if exception[1] == "MemoryError":
            return describe_exit(_KILLED[0])
        return f"The program cannot compute this motion ({sentence}); Show Log has the details"
    return remove_file_name(sentence)


def remove_file_name(sentence: str) -> str:
    """Remove the names of temporary files from a sentence."""
    return re.sub(r"(?:\S*[/\\])?(?:motion|contacts|ground|shown|report|findings)\.(?:bvh|json): ", "", sentence)
