"""A reader in native code: whatever it does, and whenever its parent is interrupted, every other file is read right."""

import _thread
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

import selfcorrect as sc
from selfcorrect.datasets.files.native import child_process
from selfcorrect.datasets.files.native.child_process import ChildReader
from selfcorrect.storage.files.limits import LIMIT_VARIABLE

CHILD = """
import json, os, signal, struct, sys, time
from array import array

for line in sys.stdin.buffer:
    request = json.loads(line)
    path = request.get("open", "")
    number = request["number"]
    answer = {"process": os.getpid()}
    values = array("d")
    if "crash" in path:
        os.kill(os.getpid(), signal.SIGSEGV)
    if "hang" in path:
        time.sleep(60)
    if "fill" in path:
        raise SystemExit(3)
    if "bad" in path:
        answer = {"error": "it is bad"}
    if "other" in path:
        number -= 1
    if "numbers" in path:
        values = array("d", [float(path.rsplit("-")[-1])] * 20_000)
    count = 2**60 if "huge" in path else len(values)
    text = json.dumps(answer).encode()
    sys.stdout.buffer.write(struct.pack("<QQQ", number, len(text), count) + text + values.tobytes())
    sys.stdout.buffer.flush()
"""


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[ChildReader]:
    (tmp_path / "child.py").write_text(CHILD)
    reader = ChildReader(tmp_path / "child.py", "FBX")
    yield reader
    reader.stop()


def make_file(folder: Path, name: str) -> Path:
    (folder / name).write_text("")
    return folder / name


def find_process(reader: ChildReader, path: Path) -> int:
    """The child that answers about a file."""
    with reader.open(path, 20.0) as file:
        return file.open()[0]["process"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("crash", r"crash: the FBX reader crashed on this file \(SIGSEGV\)"),
        ("fill", r"fill: the FBX reader crashed on this file \(exit code 3\)"),
        ("hang", r"hang: reading this FBX file took over 1 s and was stopped"),
        ("bad", r"bad: not a readable FBX file \(it is bad\)"),
        ("other", r"other: the FBX reader answered another request"),
        ("huge", r"huge: would take .* MB of memory"),
    ],
)
def test_whatever_a_reader_does_is_a_sentence_about_its_file(
    reader: ChildReader, tmp_path: Path, name: str, message: str
) -> None:
    good = make_file(tmp_path, "good")
    first = find_process(reader, good)
    assert find_process(reader, good) == first, "one child reads many files"
    with pytest.raises(sc.InputError, match=message), reader.open(make_file(tmp_path, name), 1.0) as file:
        file.open()
    assert (find_process(reader, good) == first) == (name == "bad")


def test_a_late_child_is_killed_where_nothing_waits_for_a_pipe(
    reader: ChildReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Windows."""
    monkeypatch.setattr(child_process, "_CAN_WAIT", False)
    for name, message in (("hang", "took over 0 s and was stopped"), ("crash", "crashed on this file")):
        with pytest.raises(sc.InputError, match=message), reader.open(make_file(tmp_path, name), 0.4) as file:
            file.open()
        assert not is_running(file.child._process.pid)
    find_process(reader, make_file(tmp_path, "good"))


def test_the_time_of_the_parent_counts(reader: ChildReader, tmp_path: Path) -> None:
    with reader.open(make_file(tmp_path, "numbers-1"), 0.1) as file:
        time.sleep(0.2)
        with pytest.raises(sc.InputError, match="took over 0 s"):
            file.open()


class TimeLimitError(Exception):
    """As programs raise it that limit the time of a call."""


@contextmanager
def interrupting(kind: str, delay_s: float) -> Iterator[None]:
    """Interrupt the block after a while, if it lasts so long, as users, schedulers and other threads do."""

    def stop_late(*_: object) -> None:
        raise TimeLimitError

    old_handler = signal.signal(signal.SIGALRM, stop_late)
    timer = threading.Timer(delay_s, _thread.interrupt_main)
    try:
        if kind == "thread":
            timer.start()
        elif kind == "limit":
            signal.setitimer(signal.ITIMER_REAL, delay_s)
        elif kind == "interrupt":
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            signal.setitimer(signal.ITIMER_REAL, delay_s)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        if timer.ident is not None:
            timer.cancel()
            timer.join()
            with suppress(KeyboardInterrupt):
                time.sleep(1e-4)
        signal.signal(signal.SIGALRM, old_handler)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs signals")
def test_interrupted_calls_spoil_no_other(reader: ChildReader, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    outcomes = {True: 0, False: 0}
    for index in range(400):
        path = make_file(tmp_path, f"numbers-{index}")
        is_cut_short = random.random() < 0.4
        kind = random.choice(["thread", "limit", "interrupt"]) if is_cut_short else ""
        values = np.empty(0)
        with (
            suppress(TimeLimitError, KeyboardInterrupt),
            interrupting(kind, random.uniform(0, 0.003)),
            reader.open(path, 20.0) as file,
        ):
            values = file.open()[1]
        assert is_cut_short or len(values) == 20_000
        assert (values == index).all()
        outcomes[len(values) > 0] += 1
    assert outcomes[False] > 40, "many were cut short"


def starts_another_in_a_copy(reader: ChildReader, path: Path, processes: list[int]) -> bool:
    """Whether a copy of this process, as fork makes it, reads a file by another child than these."""
    copy = os.fork()
    if copy == 0:
        signal.alarm(10)
        process = find_process(reader, path)
        reader.stop()
        os._exit(process in processes)
    return os.waitpid(copy, 0)[1] == 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_copy_of_the_process_reads_while_a_thread_of_the_original_does(reader: ChildReader, tmp_path: Path) -> None:
    good = make_file(tmp_path, "numbers-7")
    is_open = threading.Event()
    may_end = threading.Event()
    processes = [find_process(reader, good)]

    def read() -> None:
        with reader.open(good, 20.0) as file:
            processes.append(file.open()[0]["process"])
            is_open.set()
            may_end.wait(20)
            assert (file.open()[1] == 7).all()

    thread = threading.Thread(target=read)
    thread.start()
    is_open.wait(20)
    assert starts_another_in_a_copy(reader, good, processes)
    may_end.set()
    thread.join()
    assert starts_another_in_a_copy(reader, good, processes)
    assert find_process(reader, good) == processes[1] == processes[0]


def test_threads_get_their_own_answers(reader: ChildReader, tmp_path: Path) -> None:
    wrong: list[int] = []

    def read(first: int) -> None:
        for number in range(first, first + 10):
            with reader.open(make_file(tmp_path, f"numbers-{number}"), 20.0) as file:
                if not (file.open()[1] == number).all():
                    wrong.append(number)

    threads = [threading.Thread(target=read, args=(1000 * index,)) for index in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def is_running(process: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


NATIVE_LOOP = """
def spin(*_, **__):
    sum(range(10**11))  # in native code, which keeps the interpreter's lock
"""
PARENT = """
import os, sys, time
from pathlib import Path
from selfcorrect.datasets.files.native.child_process import ChildReader
with ChildReader(Path(sys.argv[1]), "FBX").open(Path(sys.argv[2]), 60.0) as file:
    print(file.child._process.pid, flush=True)
    if os.fork() == 0:  # a copy, which outlives its original
        time.sleep(7)
        os._exit(0)
    file.open()
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at processes as Linux shows them")
def test_a_child_ends_with_its_parent_in_the_middle_of_native_code(tmp_path: Path) -> None:
    script = Path(child_process.__file__).with_name("fbx_child.py").read_text()
    script = script.replace("import ufbx\n", NATIVE_LOOP).replace("scene = _load_scene(", "spin(")
    (tmp_path / "child.py").write_text(script)
    make_file(tmp_path, "a.fbx")
    command = [sys.executable, "-c", PARENT, str(tmp_path / "child.py"), str(tmp_path / "a.fbx")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        time.sleep(0.3)
        assert is_running(child)
        parent.kill()
    ended_by = time.monotonic() + 5
    while is_running(child) and time.monotonic() < ended_by:
        time.sleep(0.01)
    assert not is_running(child)


def test_the_answer_of_a_child_counts_against_the_limit(
    reader: ChildReader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_file(tmp_path, "numbers-1")
    monkeypatch.setenv(LIMIT_VARIABLE, "0.1")
    assert struct.calcsize("d") * 20_000 > 0.1 * 2**20
    with pytest.raises(sc.InputError, match="would take"), reader.open(path, 20.0) as file:
        file.open()
