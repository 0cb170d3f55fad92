"""A folder belongs to one process, whose lock never touches others' files."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from selfcorrect.core.errors import InUseError, RunFolderError
from selfcorrect.storage.files.locks import LOCK, FolderLock, read_identity

HOLDER = """
import sys, time
from pathlib import Path
from selfcorrect.storage.files.locks import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_folder_is_held(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(InUseError, match=r"process \d+"):
        FolderLock(tmp_path)
    lock.require_held()
    lock.release()
    lock.release()
    FolderLock(tmp_path).release()


def test_lock_ends_with_process(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLDER, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(InUseError, match=r"process \d+"):
            FolderLock(tmp_path)
        process.send_signal(signal.SIGKILL)
        process.wait()
    FolderLock(tmp_path).release()


FORKING = """
import os, sys
from pathlib import Path
from selfcorrect.storage.files.locks import FolderLock
lock = FolderLock(Path(sys.argv[1]))
if not os.fork():
    sys.stdin.readline()
    os._exit(0)
print("held", flush=True)
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes that are forked")
def test_starting_process_is_waited_for(tmp_path: Path) -> None:
    """A starting process keeps the lock.

    The process keeps the lock until it begins, here while the folder is claimed.
    """
    with subprocess.Popen(
        [sys.executable, "-c", FORKING, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        assert process.wait() == -signal.SIGKILL
        with pytest.raises(InUseError, match=r"process \d+"):
            FolderLock(tmp_path)
        threading.Timer(0.2, process.stdin.close).start()
        FolderLock(tmp_path).release()


def test_a_folder_keeps_its_identity(tmp_path: Path) -> None:
    assert read_identity(tmp_path) == ""
    with FolderLock(tmp_path):
        identity = read_identity(tmp_path)
    assert len(identity) == 32
    with FolderLock(tmp_path):
        assert read_identity(tmp_path) == identity


def test_new_owner_is_named(tmp_path: Path) -> None:
    with FolderLock(tmp_path) as lock:
        first, _ = (tmp_path / LOCK).read_text().splitlines()
        (tmp_path / LOCK).write_text(f"{first}\nprocess 7 on elsewhere (0)\n")
        with pytest.raises(InUseError, match="process 7 on elsewhere"):
            lock.require_held()


@pytest.mark.parametrize("name", ["theirs", "nowhere", "folder", LOCK])
def test_a_link_is_not_followed(tmp_path: Path, name: str) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "folder").mkdir()
    (tmp_path / "theirs").write_text("only copy")
    (tmp_path / "out" / LOCK).symlink_to(name if name == LOCK else tmp_path / name)
    with pytest.raises(RunFolderError, match="not written by selfcorrect"):
        FolderLock(tmp_path / "out")
    assert read_identity(tmp_path / "out") == ""
    assert (tmp_path / "theirs").read_text() == "only copy"
    assert not (tmp_path / "nowhere").exists()
    assert (tmp_path / "out" / LOCK).is_symlink()


OTHERS: dict[str, Callable[[Path], object]] = {
    "a text": lambda path: path.write_bytes(b"only copy"),
    "a text that begins alike": lambda path: path.write_bytes(b"selfcorrect run 12\n"),
    "a long file": lambda path: path.write_bytes(b"\0" * 5000),
    "an empty file with another name": lambda path: os.link(path.parent / "empty", path),
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
}
"""What makes something of somebody else in the place of the lock."""


@pytest.mark.parametrize("kind", OTHERS)
def test_foreign_lock_is_untouched(tmp_path: Path, kind: str) -> None:
    path = tmp_path / LOCK
    (tmp_path / "empty").touch()
    OTHERS[kind](path)
    content = path.read_bytes() if path.is_file() else b""
    with pytest.raises(RunFolderError, match="not written by selfcorrect"):
        FolderLock(tmp_path)
    assert (path.read_bytes() if path.is_file() else b"") == content
    assert path.is_file() or read_identity(tmp_path) == ""
