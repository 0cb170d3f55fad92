"""Whatever a native reader does, the file gets a sentence and no process is left."""

import json
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import selfcorrect as sc
from selfcorrect.datasets.files.native import child_process
from selfcorrect.datasets.files.native.child_process import ask_reader
from selfcorrect.storage.files.limits import LIMIT_VARIABLE

CHILD = """
import os, pathlib, signal, time
from array import array

def _answer(request):
    name = pathlib.Path(request["path"]).name
    if name == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if name == "exit":
        raise SystemExit(3)
    if name == "hang":
        pathlib.Path(request["path"]).write_text(str(os.getpid()))
        time.sleep(60)
    if name == "bad":
        raise ValueError("it is bad")
    print("is not part of the answer", flush=True)
    return {"asked": request["question"]}, array("d", [len(name)] * 20_000)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    (tmp_path / "child.py").write_text(CHILD)
    return tmp_path / "child.py"


def ask(script: Path, name: str, time_limit_s: float = 20.0) -> np.ndarray:
    path = script.with_name(name)
    path.touch()
    answer, values = ask_reader(script, "FBX", path, {"question": name}, time_limit_s)
    assert answer == {"asked": name}
    return values


def is_running(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("crash", r"crash: the FBX reader crashed on this file \(SIGSEGV\)"),
        ("exit", r"exit: the FBX reader crashed on this file \(exit code 3\)"),
        ("hang", r"hang: reading this FBX file was stopped after 1 s"),
        ("bad", r"bad: not a readable FBX file \(it is bad\)"),
    ],
)
def test_reader_failure_names_file(script: Path, name: str, message: str) -> None:
    with pytest.raises(sc.InputError, match=message):
        ask(script, name, 1.0 if name == "hang" else 120.0)
    if name == "hang":
        assert not is_running(int(script.with_name(name).read_text()))


@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_interrupt_leaves_no_process(script: Path) -> None:
    script.write_text(CHILD.replace("time.sleep(60)", "os.kill(os.getppid(), signal.SIGINT); time.sleep(60)"))
    with pytest.raises(KeyboardInterrupt):
        ask(script, "hang")
    process = int(script.with_name("hang").read_text())
    ends_by = time.monotonic() + 60
    while is_running(process) and time.monotonic() < ends_by:
        time.sleep(0.01)
    assert not is_running(process)


def test_threads_get_their_own_answers(script: Path) -> None:
    answers: dict[str, np.ndarray] = {}
    names = ["a", "bb", "ccc"]
    threads = [threading.Thread(target=lambda name=name: answers.update({name: ask(script, name)})) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in names:
        np.testing.assert_array_equal(answers[name], np.full(20_000, float(len(name))))


def test_child_answer_counts_towards_limit(script: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(LIMIT_VARIABLE, "0.1")
    with pytest.raises(sc.InputError, match="would take"):
        ask(script, "numbers")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs limits as Linux has them")
def test_spinning_reader_hits_time_limit(script: Path) -> None:
    """Without a parent, the processor time limit still holds."""
    script.write_text("def _answer(request):\n    sum(range(10**12))\n")
    request = {"path": str(script), "memory_bytes": 2**40, "processor_s": 0.1}
    command = [sys.executable, Path(child_process.__file__).with_name("run_reader.py"), script]
    ended = subprocess.run(command, input=json.dumps(request).encode(), timeout=30, check=False)
    assert ended.returncode == -signal.SIGXCPU
