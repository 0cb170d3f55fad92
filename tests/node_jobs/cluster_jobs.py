"""Jobs for tests of clusters, in a module that nodes can import."""

import os
import signal
import time
from pathlib import Path

from selfcorrect.runtime.progress import Progress


def note(folder: Path, name: str, progress: Progress) -> None:
    """Write the job's GPUs and session token to a file."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "not set")
    (folder / name).write_text(f"{visible} {os.environ.get('AWS_SESSION_TOKEN', '')}")
    progress("generation", 1, 1)


def fail(progress: Progress) -> None:
    raise ValueError("this motion is broken")


def die(folder: Path, progress: Progress) -> None:
    """Kill the worker at each try, and count the tries in a file."""
    with (folder / "tries").open("a") as tries:
        tries.write("x")
    os.kill(os.getpid(), signal.SIGKILL)


def count(folder: Path, name: str, length: int, pause_s: float, progress: Progress) -> None:
    """Append a line per generation to a file, continuing after the last one in it."""
    path = folder / f"{name}.txt"
    done = len(path.read_text().splitlines()) if path.exists() else 0
    progress("start", done, length)
    for generation in range(done + 1, length + 1):
        time.sleep(pause_s)
        with path.open("a") as file:
            file.write(f"{generation}\n")
        progress("generation", generation, length)
