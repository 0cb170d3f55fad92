"""Child processes for readers in native code.

A reader that crashes, hangs or fills the memory then spoils no other file. Every request starts a process of its own.
It gets JSON and answers with JSON and numbers, so that nothing that it sends is ever executed.
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

_MEMORY_BYTES = 2**31
_MEMORY_PER_BYTE = 20
"""Memory limit of a child, in bytes. There is a constant part, and so much for each byte of the file."""
_TIME_S = 60.0
_TIME_PER_BYTE_S = 1e-6
_TIME_PER_POSE_S = 1e-3
"""Time limit of a child, in s. There is a constant part, and so much for each byte of the file and each sampled pose
of a joint."""
_HEAD = struct.Struct("<Q")
"""Head of an answer: size of the JSON. 64-bit floats follow the JSON."""


def _clean_environment() -> dict[str, str]:
    """Return a clean environment for a child process.

    The same modules are found, but no files by USD's search path.
    """
    environment = {name: value for name, value in os.environ.items() if name != "PXR_AR_DEFAULT_SEARCH_PATH"}
    places = [os.path.abspath(place) for place in filter(None, sys.path)]  # the child works in another folder
    return environment | {"PYTHONPATH": os.pathsep.join(places)}


def limit_time_s(path: Path, poses: int = 0) -> float:
    """Return how long a reader may take for a file and some sampled poses of single joints."""
    return _TIME_S + _TIME_PER_BYTE_S * path.stat().st_size + _TIME_PER_POSE_S * poses


def ask_reader(
    script: Path, name: str, path: Path, request: dict[str, Any], time_limit_s: float
) -> tuple[dict[str, Any], np.ndarray]:
    """Ask a reader script about a file.

    Returns its answer: JSON and numbers (N,).

    Args:
        script: Script that reads a request in JSON, with the file's path and its limits, and writes the answer.
        name: Name of the format in messages.
        path: The file; the child works in its folder, and its answer may list files that it looked for.
        request: What the script is asked about the file.
        time_limit_s: How long the script may take.

    Raises:
        InputError: The script crashed, took too long or too much memory, or reports that the file is damaged.
    """
    with open_file(path) as stream:
        stored = os.fstat(stream.fileno()).st_size
    limits = {"memory_bytes": _MEMORY_BYTES + _MEMORY_PER_BYTE * stored, "processor_s": time_limit_s}
    request = {**request, **limits, "path": str(path.resolve())}
    with TemporaryFile() as answers:
        try:
            ended = subprocess.run(
                [sys.executable, "-P", "-S", str(script)],
                input=json.dumps(request).encode(),
                stdout=answers,
                stderr=subprocess.DEVNULL,
                env=_clean_environment(),
                cwd=path.resolve().parent,
                timeout=time_limit_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            message = f"reading this {name} file took over {time_limit_s:.0f} s and was stopped"
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
