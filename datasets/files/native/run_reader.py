"""Run a reader script on one request, in a child process.

This script is run by its path and imports nothing of the package; see `ask_reader`. Its argument is the path of the
reader script, whose function `_answer` takes a request and returns JSON and numbers.
"""

import json
import os
import runpy
import signal
import struct
import sys
from array import array
from typing import Any


def limit_work(memory_bytes: int, processor_s: float) -> None:
    """Limit the memory and processor time of this process.

    The time limit matters if the parent has ended and can no longer stop this process.
    """
    if sys.platform == "win32":
        return
    import resource

    limits = ((resource.RLIMIT_AS, memory_bytes), (resource.RLIMIT_CPU, int(processor_s) + 1))
    for kind, limit in limits:
        _, hard = resource.getrlimit(kind)
        if hard == resource.RLIM_INFINITY or limit < hard:
            resource.setrlimit(kind, (limit, hard))


def answer_within_limits(reader: str, request: dict[str, Any]) -> tuple[dict[str, Any], array]:
    """Answer a request by a reader script, within the request's limits; errors become an answer, too."""
    answer = runpy.run_path(reader)["_answer"]
    try:
        limit_work(request["memory_bytes"], request["processor_s"])
        return answer(request)
    except MemoryError:
        return {"error": "it takes too much memory"}, array("d")
    except Exception as error:  # the parent reports it
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        return {"error": lines[-1][:300] if lines else type(error).__name__}, array("d")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends this process
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # native code may print
    facts, values = answer_within_limits(sys.argv[1], json.load(sys.stdin.buffer))  # noqa: TID251 - of the parent
    text = json.dumps(facts).encode()
    answers.write(struct.pack("<Q", len(text)) + text + values.tobytes())
    answers.flush()
    os._exit(0)
