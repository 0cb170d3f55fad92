"""Only regular files open; only bounded sizes unpack."""

import socket
from pathlib import Path

import pytest

from selfcorrect.storage.files.limits import LIMIT_VARIABLE, check_unpacked, is_file_name, open_file, read_text


def test_links_to_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\ufeffwörds", encoding="utf-8")
    (tmp_path / "link.txt").symlink_to("a.txt")
    assert read_text(tmp_path / "link.txt") == "wörds"


def test_sockets_and_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        for path in ("s", "."):
            with pytest.raises((OSError, ValueError)):
                open_file(Path(path))


def test_text_has_to_be_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\xff")
    with pytest.raises(ValueError, match=r"a\.txt: expected a text file"):
        read_text(tmp_path / "a.txt")


def test_the_limit_can_be_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=rf"a\.npz: would take 1000 MB.*the limit is 512 MB.*{LIMIT_VARIABLE}"):
        check_unpacked("a.npz", 1000 * 2**20)
    monkeypatch.setenv(LIMIT_VARIABLE, "1000")
    check_unpacked("a.npz", 1000 * 2**20)


KEPT = ("..\\x", "C:x", "a/con.bvh", "NUL", "a?b", "dot.", "space ", "a/b.")


@pytest.mark.parametrize("name", [*KEPT, "walk.bvh", "a/b c/конь-1.npz", "console", "..x"])
def test_windows_names_raise_there(name: str, monkeypatch) -> None:
    assert is_file_name(name)
    monkeypatch.setattr("sys.platform", "win32")
    assert is_file_name(name) == (name not in KEPT)
