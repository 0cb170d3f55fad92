"""How cases of the campaign are run: in forked processes with limits on time and memory, or as commands."""

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
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LONGEST_S = 10.0
MORE_MEMORY = 2**30
PATIENCE = float(os.environ.get("CAMPAIGN_PATIENCE", "1"))
"""Factor on all limits of time, for machines that are busy otherwise."""


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
            running.append(_Worker(batch, longest_s * PATIENCE))
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
        if self.gone or time.monotonic() - self.since < self.longest_s:
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
    """At most so many bytes more than now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str
    seconds: float
    memory: int

    def wrong(self, longest_s: float, most_memory: int, codes: Sequence[int] = (0, 1, 2)) -> str:
        """What is not clean about it: a traceback, a hang, an exit code that says nothing, too much memory."""
        if self.seconds >= longest_s:
            return f"took longer than {longest_s:g} s"
        if "Traceback" in self.err or "internal error" in self.err + self.out:
            return f"told of a bug: {self.err.strip().splitlines()[-1] if self.err.strip() else self.out[-200:]}"
        if self.code not in codes:
            return f"ended with exit code {self.code}: {self.err.strip()[-200:]}"
        if self.code == 2 and not self.err.strip() and not self.out.strip():
            return "said nothing"
        return f"took {self.memory / 2**20:.0f} MB" if self.memory > most_memory else ""


def run_command(
    words: Sequence[str], folder: Path, longest_s: float, environment: dict[str, str] | None = None
) -> Ended:
    """Run the real command line, in a session of its own, ended with all of its processes after `longest_s`."""
    command = [sys.executable, "-m", "selfcorrect.experiments.cli", *words]
    start = time.monotonic()
    with open(os.devnull) as nothing, _captured() as (out, err):
        process = subprocess.Popen(
            command, cwd=folder, stdin=nothing, stdout=out, stderr=err, start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", **(environment or {})},
        )  # fmt: skip
        memory = _wait(process, start + longest_s)
        seconds = time.monotonic() - start
        out.seek(0)
        err.seek(0)
        code = process.returncode if process.returncode is not None else -1
        return Ended(code, out.read().decode(errors="replace"), err.read().decode(errors="replace"), seconds, memory)


@contextlib.contextmanager
def _captured() -> Iterator[tuple[io.BufferedRandom, io.BufferedRandom]]:
    import tempfile

    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        yield out, err  # type: ignore[misc]


def _wait(process: subprocess.Popen[bytes], deadline: float) -> int:
    """Wait until then; the largest amount of memory that the process had, bytes."""
    while time.monotonic() < deadline:
        done, status, usage = os.wait4(process.pid, os.WNOHANG)
        if done:
            process.returncode = os.waitstatus_to_exitcode(status)
            return usage.ru_maxrss * 1024
        time.sleep(0.02)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.returncode = -int(signal.SIGKILL)
    os.waitpid(process.pid, 0)
    return 0
