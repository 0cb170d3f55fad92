"""A record of another version is read whole, or refused with the version's name."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from helpers import Says
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from selfcorrect.commands.correct.file_result import FileContent, FileResult, read_record
from selfcorrect.commands.verification import verify
from selfcorrect.core.errors import DamagedError, OtherVersionError
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files.digests import encode_with_digest

RESULT = FileResult("a.bvh", "a.bvh", "rejected", content=FileContent(assumed=("unit inferred",)))
NEEDED = ("source", "name", "verdict")


def write_record(path: Path, values: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_with_digest(values))


ENTRIES = RESULT.to_values()
FREE_FORM = ("failure", "kept")
VERSIONS = st.from_regex(r"\A[0-9]\.[0-9]{1,2}(\.[0-9])?\Z").filter(lambda text: text != version("selfcorrect"))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VERSIONS | st.just(""), st.sampled_from([name for name in (*ENTRIES, "earlier") if name not in FREE_FORM]))
def test_other_entries_name_their_version(tmp_path: Path, written_by: str, name: str) -> None:
    path = tmp_path / "a.bvh.json"
    of_version = {"version": written_by} if written_by else {}
    write_record(path, {**ENTRIES, name: {"of": ["another", "type"]}, **of_version})
    with pytest.raises(OtherVersionError, match=rf"{written_by or 'older'}.*{version('selfcorrect')}"):
        read_record(path)
    write_record(path, {**ENTRIES, name: {"of": ["another", "type"]}, "version": version("selfcorrect")})
    with pytest.raises(DamagedError):
        read_record(path)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VERSIONS, st.sets(st.sampled_from([name for name in ENTRIES if name not in NEEDED])))
def test_missing_entries_have_their_defaults(tmp_path: Path, written_by: str, missing: set[str]) -> None:
    kept = {name: value for name, value in ENTRIES.items() if name not in missing}
    write_record(tmp_path / "a.bvh.json", {**kept, "version": written_by})
    defaults = FileResult(RESULT.source, RESULT.name, RESULT.verdict).to_values()
    expected = {name: defaults[name] if name in missing else value for name, value in ENTRIES.items()}
    assert read_record(tmp_path / "a.bvh.json").to_values() == expected


def test_own_records_are_read_back(tmp_path: Path) -> None:
    RESULT.save(tmp_path / "a.json")
    assert read_record(tmp_path / "a.json") == RESULT


def test_older_folder_is_refused_and_not_damaged(folder: Path, stepping: Motion, says: Says) -> None:
    save_motion(Path("clips/a.bvh"), stepping)
    record = Path("corrected/.records/a.bvh.json")
    write_record(record, RESULT.to_values() | {"earlier": [], "version": "0.3.1"})
    before = record.read_bytes()
    message = says("correct clips/a.bvh --kinematic", code=2)
    assert "selfcorrect 0.3.1" in message
    assert "damaged" not in message
    assert record.read_bytes() == before
    verification = verify(Path("corrected"))
    assert not verification.damage
    assert "another version" in verification.summary


def test_damaged_record_stays_damaged(folder: Path, stepping: Motion, says: Says) -> None:
    save_motion(Path("clips/a.bvh"), stepping)
    record = Path("corrected/.records/a.bvh.json")
    RESULT.save(record)
    record.write_bytes(record.read_bytes().replace(b"rejected", b"accepted"))
    assert "is damaged" in says("correct clips/a.bvh --kinematic", code=2)
    with pytest.raises(DamagedError):
        read_record(record)
