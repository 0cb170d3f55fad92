"""How cases of the campaign are run: in forked processes with limits on time and memory, or as commands.

A case is looked at in a forked worker; a command is the real `main` with real words in a process forked from that,
which spares it the imports, or for a share of the cases a new interpreter.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np

LONGEST_S = 10.0
MORE_MEMORY = 2**30


def stretched(seconds: float) -> float:
    """A limit of time on a machine that others use too: as much longer as there are more processes than cores."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@dataclass(frozen=True)
class Case:
    """One thing to try: `look` returns what is not clean, "" where all is; it may also raise, or not return."""

    name: str
    look: Callable[[], str]


@dataclass(frozen=True)
class Outcome:
    """What became of a case; wrong: "" where it was clean."""

    name: str
    wrong: str


def random_of(seed: int, area: str, case: int) -> np.random.Generator:
    """The random numbers of one case, whatever cases were run before."""
    return np.random.default_rng([seed, *area.encode(), case])


def run_cases(cases: Sequence[Case], longest_s: float = LONGEST_S, workers: int = 2) -> Iterator[Outcome]:
    """Run cases in forked workers that are replaced when they hang or die, each with a memory limit of its own."""
    waiting = list(enumerate(cases))[::-1]
    running: list[_Worker] = []
    while waiting or running:
        while waiting and len(running) < workers:
            batch = [waiting.pop() for _ in range(min(50, len(waiting)))]
            running.append(_Worker(batch, longest_s))
        ready, _, _ = select.select([worker.pipe for worker in running], [], [], 0.2)
        for worker in list(running):
            if worker.pipe in ready:
                yield from worker.read()
            outcome = worker.end_if_stuck()
            if outcome is not None:
                yield outcome
            if worker.gone:
                running.remove(worker)
                waiting += worker.left[::-1]


class _Worker:
    """A forked process that works through a batch of cases and tells of each through a pipe."""

    def __init__(self, batch: list[tuple[int, Case]], longest_s: float) -> None:
        self.left, self.longest_s, self.gone = batch, longest_s, False
        self.pipe, writing = os.pipe()
        self.process = os.fork()
        if self.process == 0:
            os.close(self.pipe)
            _work([case for _, case in batch], writing)
        os.close(writing)
        self.since, self.text = time.monotonic(), ""

    def read(self) -> Iterator[Outcome]:
        content = os.read(self.pipe, 2**16)
        self.text += content.decode(errors="replace")
        *lines, self.text = self.text.split("\n")
        for line in lines:
            _, case = self.left.pop(0)
            self.since = time.monotonic()
            yield Outcome(case.name, line)
        if not content:
            self._reap()
            if self.left:
                _, case = self.left.pop(0)
                yield Outcome(case.name, f"the process died ({self.status})")

    def end_if_stuck(self) -> Outcome | None:
        if self.gone or time.monotonic() - self.since < stretched(self.longest_s):
            return None
        os.kill(self.process, signal.SIGKILL)
        self._reap()
        _, case = self.left.pop(0)
        return Outcome(case.name, f"took longer than {self.longest_s:g} s")

    def _reap(self) -> None:
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])
        os.close(self.pipe)
        self.gone = True


def _work(cases: Sequence[Case], pipe: int) -> None:
    """In the forked process: look at each case, then end."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    limit_memory(MORE_MEMORY)
    for case in cases:
        os.write(pipe, (guarded(case.look) + "\n").encode(errors="backslashreplace"))
    os._exit(0)


def guarded(look: Callable[[], str]) -> str:
    """What a case says is wrong, in one line, its exceptions included."""
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told), contextlib.redirect_stdout(io.StringIO()):
            wrong = look()
    except BaseException as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        wrong = f"raised {type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
    if wrong and "internal error" in wrong:
        places = re.findall(r'File "([^"]+)", line (\d+)', told.getvalue())
        ours = [(file, line) for file, line in places if "site-packages" not in file]
        wrong += f" at {Path(ours[-1][0]).name}, line {ours[-1][1]}" if ours else ""
    return " ".join(wrong.split())[:400]


def limit_memory(more: int) -> None:
    """At most so many bytes more than now: what it may write to, not the addresses that allocators set aside.

    Arrow's own allocator would claim them all at its first call.
    """
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    if arrow := sys.modules.get("pyarrow"):
        arrow.set_memory_pool(arrow.system_memory_pool())
    pages = int(Path("/proc/self/statm").read_text().split()[5])
    limit, (_, hard) = pages * resource.getpagesize() + more, resource.getrlimit(resource.RLIMIT_DATA)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float
    longest_s: float
    more_memory: int
    """Bytes beyond what it began with."""

    def wrong(self, codes: Sequence[int] = (0, 1, 2)) -> str:
        """What is not clean about it: a traceback, a hang, an exit code that says nothing, too much memory."""
        if self.seconds >= self.longest_s:
            return f"took longer than {self.longest_s:g} s"
        if "Traceback" in self.err or "internal error" in self.err + self.out:
            return f"told of a bug: {self.err.strip().splitlines()[-1] if self.err.strip() else self.out[-200:]}"
        if self.code not in codes:
            return f"ended with exit code {self.code}: {self.err.strip()[-200:]}"
        if self.code == 2 and not self.err.strip() and not self.out.strip():
            return "said nothing"
        return f"took {self.more_memory / 2**20:.0f} MB more" if self.more_memory > MORE_MEMORY else ""


FRESH_MB = 520
"""What a new interpreter takes that has imported all that a command may need."""


def run_command(words: Sequence[str], folder: Path, longest_s: float = LONGEST_S) -> Ended:
    """The real command line in a process forked from this one, in a session that is ended with all that is in it."""
    with _captured() as (out, err):
        base, child = own_memory(), os.fork()
        if child == 0:
            _be_command(words, folder, out.fileno(), err.fileno())
        return _ended(child, longest_s, base, out, err)


def run_fresh_command(
    words: Sequence[str],
    folder: Path,
    longest_s: float = LONGEST_S,
    environment: dict[str, str] | None = None,
    way: str = '"$@"',
) -> Ended:
    """The same in a new interpreter; way: how a shell calls it, such as '"$@" >&-'."""
    with open(os.devnull) as nothing, _captured() as (out, err):
        process = subprocess.Popen(
            ["bash", "-c", way, "bash", sys.executable, "-m", "selfcorrect.experiments.cli", *words],
            cwd=folder, stdin=nothing, stdout=out, stderr=err, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", **(environment or {})},
        )  # fmt: skip
        process.returncode = 0  # waited for below
        return _ended(process.pid, longest_s, FRESH_MB * 2**20, out, err)


def become_command(words: Sequence[str], folder: Path, out: int, err: int) -> int:
    """In a forked process: the command's exit code, run as if in a new session and with these files as its output."""
    os.setsid()
    os.chdir(folder)
    os.environ |= {"OMP_NUM_THREADS": "1", "WANDB_MODE": "offline"}
    for number, file in enumerate((os.open(os.devnull, os.O_RDONLY), out, err)):
        os.dup2(file, number)
    sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115 - those of the process
    sys.stderr = open(2, "w", errors="backslashreplace")  # noqa: SIM115
    limit_memory(MORE_MEMORY)
    warnings.simplefilter("default")
    from selfcorrect.experiments.cli import main

    try:
        return main(words)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()


def _be_command(words: Sequence[str], folder: Path, out: int, err: int) -> None:
    code = 1
    try:
        code = become_command(words, folder, out, err)
    finally:
        os._exit(code)


def own_memory() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@contextlib.contextmanager
def _captured() -> Iterator[tuple[IO[bytes], IO[bytes]]]:
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        yield out, err


def _ended(process: int, longest_s: float, base: int, out: IO[bytes], err: IO[bytes]) -> Ended:
    """Wait for a process and the whole session that it leads."""
    start = time.monotonic()
    longest_s = stretched(longest_s)
    code, memory = _wait(process, start + longest_s)
    seconds = time.monotonic() - start
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)  # what it left running
    out.seek(0)
    err.seek(0)
    told = [file.read().decode(errors="replace") for file in (out, err)]
    return Ended(code, told[0], told[1], seconds, longest_s, max(0, memory - base))


def _wait(process: int, deadline: float) -> tuple[int, int]:
    """Exit code and the largest memory that it had, bytes; killed where it has not ended by then."""
    while time.monotonic() < deadline:
        done, status, usage = os.wait4(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), usage.ru_maxrss * 1024
        time.sleep(0.01)
    os.kill(process, signal.SIGKILL)
    os.waitpid(process, 0)
    return -int(signal.SIGKILL), 0
