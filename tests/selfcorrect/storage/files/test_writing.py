"""Files are replaced whole or not at all."""

import errno
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from selfcorrect.core.errors import SettingError
from selfcorrect.storage.files.writing import (
    remove_leftovers,
    replacing,
    scratch_folder,
    write_atomically,
    write_folder,
)


def test_file_appears_when_finished(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "motion.bvh"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
        assert temporary.suffix == ".bvh"
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_error_keeps_old_file(tmp_path: Path) -> None:
    path = tmp_path / "motion.bvh"
    path.write_text("old")

    def fail() -> None:
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def write_meanwhile(path: Path) -> None:
    with replacing(path, overwrite=False) as temporary:
        temporary.write_text("ours")
        path.write_text("theirs")


@pytest.mark.parametrize("has_links", [True, False])
def test_appearing_file_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has_links: bool) -> None:
    def refuse_links(source: Path, target: Path) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    if not has_links:
        monkeypatch.setattr(os, "link", refuse_links)
    path = tmp_path / "motion.bvh"
    write_atomically(tmp_path / "other.bvh", "ours", overwrite=False)
    with pytest.raises(SettingError, match="created by another process"):
        write_meanwhile(path)
    assert path.read_text() == "theirs"
    assert (tmp_path / "other.bvh").read_text() == "ours"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["motion.bvh", "other.bvh"]


def test_one_thread_wins(tmp_path: Path) -> None:
    def write(number: int) -> bool:
        try:
            write_atomically(tmp_path / "new", str(number), overwrite=False)
        except SettingError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        is_written = list(pool.map(write, range(16)))
    assert is_written.count(True) == 1
    assert (tmp_path / "new").read_text() == str(is_written.index(True))


def test_invalid_text_is_escaped(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a.json", '"caf\udce9 λ"')
    assert (tmp_path / "a.json").read_bytes() == '"caf\\udce9 λ"'.encode()


def test_file_and_folder_are_synced(tmp_path: Path, sync_log: list[str]) -> None:
    write_atomically(tmp_path / "a", b"1")
    assert sync_log == ["a", "rename", tmp_path.name]


KILLED = """
import os, sys
from contextlib import ExitStack
from pathlib import Path
from selfcorrect.storage.files.writing import replacing

with ExitStack() as open_files:
    for name in sys.argv[1:]:
        open_files.enter_context(replacing(Path(name))).write_text("half")
    os._exit(1)
"""


@pytest.mark.parametrize("below", [True, False])
def test_leftovers_are_removed(tmp_path: Path, below: bool) -> None:
    folders = (tmp_path, tmp_path / "deep")
    subprocess.run([sys.executable, "-c", KILLED, *(str(folder / "motion.bvh") for folder in folders)], check=False)
    assert [len([path for path in folder.iterdir() if path.suffix == ".tmp"]) for folder in folders] == [1, 1]
    remove_leftovers(tmp_path, below=below)
    assert [path.name for path in tmp_path.iterdir()] == ["deep"]
    assert len(list(folders[1].iterdir())) == (0 if below else 1)


def test_active_work_is_kept(tmp_path: Path) -> None:
    with replacing(tmp_path / "motion.bvh") as temporary, scratch_folder(tmp_path / "record") as scratch:
        temporary.write_text("half")
        remove_leftovers(tmp_path)
        assert temporary.exists()
        assert scratch.is_dir()
    assert [path.name for path in tmp_path.iterdir()] == ["motion.bvh"]


def test_writers_leave_one_file(tmp_path: Path) -> None:
    path = tmp_path / "motion.bvh"

    def write(number: int) -> None:
        with replacing(path) as temporary:
            temporary.write_text(f"{number} " * 100)
            assert temporary.read_text() == f"{number} " * 100
        assert len(set(path.read_text().split())) == 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(200)))
    assert len(path.read_text().split()) == 100
    assert list(tmp_path.iterdir()) == [path]


def test_writers_and_removers_lose_nothing(tmp_path: Path) -> None:
    """Removers may come while writers work.

    Removers may see a scratch folder at any moment while it is made.
    """

    def act(number: int) -> None:
        if number % 2:
            write_atomically(tmp_path / f"{number}.txt", str(number))
        else:
            remove_leftovers(tmp_path)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(act, range(400)))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        f"{number}.txt": str(number) for number in range(1, 400, 2)
    }


THEIRS = (".selfcorrect-backup.tmp", ".selfcorrect-12345678.tmp", ".generation-0001.tmp", ".walk-abcdefgh.tmp",
          ".motion.bvh-01234567-89abcdef.tmp", ".cache.tmp", ".metrics.jsonl-a1b2c3d4.tmp")  # fmt: skip


@pytest.mark.parametrize("inside", ["", "chapter.tex", ".selfcorrect", "motion.bvh"])
@pytest.mark.parametrize("name", THEIRS)
def test_similar_folders_stay(tmp_path: Path, name: str, inside: str) -> None:
    place = tmp_path / "deep" / name
    place.mkdir(parents=True)
    if inside:
        (place / inside).write_text("somebody's only copy")
    remove_leftovers(tmp_path, below=True)
    assert os.listdir(place) == [inside] * bool(inside)


@pytest.mark.parametrize("kind", ["file", "link", "dangling link", "pipe"])
def test_foreign_scratch_stays(tmp_path: Path, kind: str) -> None:
    with replacing(tmp_path / "motion.bvh") as temporary:
        place = temporary.parent
        temporary.write_text("once")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "chapter.tex").write_text("only copy")
    match kind:
        case "file":
            place.write_text("only copy")
        case "pipe":
            os.mkfifo(place)
        case _:
            place.symlink_to("theirs" if kind == "link" else "nowhere")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    write_atomically(tmp_path / "motion.bvh", "again")
    remove_leftovers(tmp_path, below=True)
    assert (tmp_path / "motion.bvh").read_text() == "again"
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and path.name != "motion.bvh"}
    before.pop(tmp_path / "motion.bvh")
    assert after == before
    assert os.path.lexists(place)


@pytest.mark.parametrize("is_second", [True, False])
def test_library_leftovers_are_removed(tmp_path: Path, is_second: bool) -> None:
    """Leftovers of libraries are removed.

    Safetensors leaves one if it is killed while writing.
    """
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "motion.bvh")], check=False)
    (remaining,) = tmp_path.iterdir()
    (remaining / ".tmpAbC123").write_text("half")
    if is_second:
        write_atomically(tmp_path / "motion.bvh", "whole")
    else:
        remove_leftovers(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["motion.bvh"] * is_second


def test_sync_surrounds_rename(tmp_path: Path, sync_log: list[str]):
    write_folder(tmp_path / "generation-0001", {"a": b"1", "b": b"2"})
    assert sync_log == ["a", "b", "generation-0001", "rename", tmp_path.name]


def test_one_folder_writer_wins(tmp_path: Path):
    def overtaken() -> None:
        write_folder(tmp_path / "generation-0001", {"a": b"first"})

    with pytest.raises(OSError, match="not empty"):
        write_folder(tmp_path / "generation-0001", {"a": b"second"}, overtaken)
    assert [path.name for path in tmp_path.iterdir()] == ["generation-0001"]
    assert (tmp_path / "generation-0001" / "a").read_bytes() == b"first"


@pytest.mark.skipif(sys.platform == "win32", reason="needs flock")
def test_works_without_file_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse_lock(*_: object, **__: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", refuse_lock)
    with replacing(tmp_path / "motion.bvh") as temporary:
        temporary.write_text("whole")
        write_folder(tmp_path / "generation-0001", {"a.json": b"1"}, lambda: remove_leftovers(tmp_path))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["generation-0001", "motion.bvh"]
    assert (tmp_path / "motion.bvh").read_text() == "whole"
