"""Of the offline runs in a folder that programs share, an experiment removes those that it made itself."""

import json
import shutil
from pathlib import Path

import pytest

from selfcorrect.storage.runs.offline_runs import RECORD, OfflineRuns

IDS = ("abc", "*", "[ab]c", "?bc", "a*", "..", "-abc")


def offline_run(place: Path, id: str, time: str = "20260101_120000") -> Path:
    """A folder as W&B makes it."""
    folder = place / f"offline-run-{time}-{id}"
    folder.mkdir(parents=True)
    (folder / f"run-{id}.wandb").write_bytes(b":W&B")
    return folder


@pytest.mark.parametrize("id", IDS)
def test_runs_of_other_programs_stay_whatever_the_id(id: str, tmp_path: Path):
    place = tmp_path / "shared" / "wandb"
    others = [offline_run(place, other_id) for other_id in (*IDS, "xabc", "x-abc", "abcd")]
    runs = OfflineRuns(tmp_path / "run", place)
    runs.remove(id)
    of_this_run = offline_run(place, id, "20260102_120000")
    runs.add(id, of_this_run)
    assert of_this_run.is_dir()
    OfflineRuns(tmp_path / "run", place).remove(id)  # as the next process does
    assert not of_this_run.exists()
    assert all(path.is_dir() for path in others)


def test_a_copied_run_folder_removes_its_own_copies(tmp_path: Path):
    first = tmp_path / "first"
    shared = tmp_path / "shared"
    inside = offline_run(first / "wandb", "abc")
    outside = offline_run(shared, "abc")
    OfflineRuns(first, first / "wandb").add("abc", inside)
    OfflineRuns(first, shared).add("abc", outside)
    copy = Path(shutil.copytree(first, tmp_path / "copy"))
    OfflineRuns(copy, copy / "wandb").remove("abc")
    OfflineRuns(copy, shared).remove("abc")
    assert inside.is_dir()
    assert outside.is_dir()
    assert not (copy / "wandb" / inside.name).exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../other", "precious", "offline-run-20260101_120000-else"])
def test_a_forged_record_removes_nothing_but_runs(name: str, tmp_path: Path):
    place = tmp_path / "run" / "wandb"
    for kept_path in (place / "precious", tmp_path / "run" / "other", place / "offline-run-20260101_120000-else"):
        kept_path.mkdir(parents=True)
    before = sorted(tmp_path.rglob("*"))
    (place / RECORD).write_text(json.dumps([{"id": "abc", "name": name, "place": "", "run_folder": ""}]))
    OfflineRuns(tmp_path / "run", place).remove("abc")
    assert sorted(path for path in tmp_path.rglob("*") if path.name != RECORD) == before


def test_a_link_to_a_run_is_not_followed(tmp_path: Path):
    other_run = offline_run(tmp_path / "elsewhere", "abc")
    place = tmp_path / "run" / "wandb"
    place.mkdir(parents=True)
    (place / other_run.name).symlink_to(other_run)
    runs = OfflineRuns(tmp_path / "run", place)
    runs.add("abc", place / other_run.name)
    runs.remove("abc")
    assert (other_run / "run-abc.wandb").is_file()
