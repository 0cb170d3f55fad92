"""A command replaces what it wrote itself, and nothing else."""

import os
from pathlib import Path

import pytest

from selfcorrect.core.errors import DamagedError, InputError, RunFolderError
from selfcorrect.storage.files.digests import digest
from selfcorrect.storage.files.written import JOURNAL, Written, recorded_in


def write(written: Written, path: Path, text: str) -> None:
    with written.replacing(path) as temporary:
        temporary.write_text(text)


def test_what_it_wrote_is_replaced_until_somebody_changes_it(tmp_path: Path) -> None:
    written, path = Written(tmp_path), tmp_path / "report.json"
    for text in ("one", "two"):
        write(written, path, text)
        assert written.owns(path)
    path.write_text("somebody's only copy")
    with pytest.raises(RunFolderError, match="exists and was not written by this command"):
        write(written, path, "three")
    assert path.read_text() == "somebody's only copy"
    path.write_text("one")
    write(written, path, "three")
    assert path.read_text() == "three"
    assert sorted(os.listdir(tmp_path)) == [JOURNAL, "report.json"]


def test_another_place_or_another_task_is_not_its_own(tmp_path: Path) -> None:
    write(Written(tmp_path, "a task"), tmp_path / "a.txt", "text")
    (tmp_path / "b.txt").write_text("text")
    assert Written(tmp_path, "a task").owns(tmp_path / "a.txt")
    assert not Written(tmp_path, "a task").owns(tmp_path / "b.txt")
    assert not Written(tmp_path, "another").owns(tmp_path / "a.txt")


def test_a_folder_that_moves_keeps_its_own(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    write(Written(tmp_path / "here"), tmp_path / "here" / "a.txt", "text")
    (tmp_path / "here").rename(tmp_path / "there")
    assert Written(tmp_path / "there").owns(tmp_path / "there" / "a.txt")


@pytest.mark.parametrize("kind", ["text", "pipe", "link", "dangling link"])
def test_a_journal_of_somebody_else_stays(tmp_path: Path, kind: str) -> None:
    journal = tmp_path / JOURNAL
    (tmp_path / "theirs").write_text("only copy")
    match kind:
        case "text":
            journal.write_text("only copy")
        case "pipe":
            os.mkfifo(journal)
        case _:
            journal.symlink_to("theirs" if kind == "link" else "nowhere")
    with pytest.raises(RunFolderError, match="was not written by selfcorrect; move it away"):
        write(Written(tmp_path), tmp_path / "a.txt", "text")
    assert (tmp_path / "theirs").read_text() == "only copy"
    assert not (tmp_path / "a.txt").exists()
    assert not (tmp_path / "nowhere").exists()
    assert kind != "text" or journal.read_text() == "only copy"


@pytest.mark.slow
def test_every_flipped_bit_of_the_journal_is_noticed(tmp_path: Path) -> None:
    for text in ("one", "two"):
        write(Written(tmp_path, "a task"), tmp_path / "a.txt", text)
    found = recorded_in(tmp_path / JOURNAL)
    assert found == {tmp_path / "a.txt": {digest(b"one"), digest(b"two")}}
    whole = (tmp_path / JOURNAL).read_bytes()
    for bit in range(8 * len(whole)):
        damaged = bytearray(whole)
        damaged[bit // 8] ^= 1 << bit % 8
        (tmp_path / JOURNAL).write_bytes(damaged)
        with pytest.raises((DamagedError, InputError), match=JOURNAL):
            recorded_in(tmp_path / JOURNAL)
