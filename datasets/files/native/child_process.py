"""Run readers with native code in child processes.

A reader that crashes, hangs or fills the memory thus affects no other file. Each request starts a new process. Requests
are JSON, and answers are JSON and numbers, so nothing that a reader sends is ever executed.
"""

import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.limits import check_unpacked, note_paths, open_file
from selfcorrect.storage.files.strict_json import parse_json

_RUN_READER = Path(__file__).with_name("run_reader.py")
_MEMORY_BYTES = 2**31
_MEMORY_PER_BYTE = 20
"""Memory limit of a child process, in bytes: a constant part, and a part per byte of the file."""
_TIME_S = 60.0
_TIME_PER_BYTE_S = 1e-6
_TIME_PER_POSE_S = 1e-3
"""Time limit of a child process, in s: a constant part, and parts per byte of the file and per sampled joint pose."""
_HEAD = struct.Struct("<Q")
"""Head of an answer: the size of the JSON, which 64-bit floats follow."""


def _clean_environment() -> dict[str, str]:
    """Return this process's environment for a child, without USD's search path.

    The child finds the same modules.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PXR_AR_DEFAULT_SEARCH_PATH"}
    folders = [os.path.abspath(folder) for folder in filter(None, sys.path)]  # the child works in another folder
    return environment | {"PYTHONPATH": os.pathsep.join(folders)}


def limit_time_s(path: Path, poses: int = 0) -> float:
    """Return the time limit of a reader for a file and this number of sampled joint poses."""
    return _TIME_S + _TIME_PER_BYTE_S * path.stat().st_size + _TIME_PER_POSE_S * poses


def ask_reader(
    script: Path, name: str, path: Path, request: dict[str, Any], time_limit_s: float
) -> tuple[dict[str, Any], np.ndarray]:
    """Send a request about a file to a reader script in a child process.

    Args:
        script: Script with the function `_answer`, which takes the request with the file's path and the limits,
            and returns the answer.
        name: Name of the format in messages.
        path: File to read. The child works in its folder, and the answer may list files that it looked for.
        request: Request to the script.
        time_limit_s: Time limit of the script.

    Returns:
        The JSON of the answer, and its numbers (N,).

    Raises:
        InputError: The script crashed, took too much time or memory, or reports that the file is damaged.
    """
    with open_file(path) as stream:
        stored = os.fstat(stream.fileno()).st_size
    limits = {"memory_bytes": _MEMORY_BYTES + _MEMORY_PER_BYTE * stored, "processor_s": time_limit_s}
    request = {**request, **limits, "path": str(path.resolve())}
    with TemporaryFile() as answers:
        try:
            ended = subprocess.run(
                [sys.executable, "-P", "-S", str(_RUN_READER), str(script)],
                input=json.dumps(request).encode(),
                stdout=answers,
                stderr=subprocess.DEVNULL,
                env=_clean_environment(),
                cwd=path.resolve().parent,
                timeout=time_limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            message = f"reading this {name} file was stopped after {time_limit_s:.0f} s"
            raise InputError(f"{path}: {message}") from error
        if code := ended.returncode:
            cause = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            raise InputError(f"{path}: the {name} reader crashed on this file ({cause})")
        check_unpacked(path, os.fstat(answers.fileno()).st_size, stored=stored)
        answers.seek(0)
        (text_size,) = _HEAD.unpack(answers.read(_HEAD.size))
        answer = parse_json(answers.read(text_size), path)
        values = np.frombuffer(answers.read(), dtype=float)
    note_paths(map(Path, answer.get("looked_for", ())))
    if "error" in answer:
        raise InputError(f"{path}: not a readable {name} file ({answer['error']})")
    return answer, values
