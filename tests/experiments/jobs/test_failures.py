"""Errors of jobs are one line with the place in the user's code, also in other processes."""

import pickle
import sys
from pathlib import Path

import pytest

from selfcorrect.core.errors import InputError
from selfcorrect.experiments.jobs.run import Job, do_job, jobs_error
from selfcorrect.runtime.bugs import MAX_CHARACTERS, describe_in_a_line


def test_job_error_names_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_job.py").write_text("def work(progress):\n    values = [1]\n    return values[2]\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "my_job", raising=False)
    import my_job  # type: ignore[import-not-found]

    with pytest.raises(IndexError) as raised:
        do_job(Job("arm", my_job.work, (), 1), lambda event: None, 1)
    sent = pickle.loads(pickle.dumps(raised.value))
    assert describe_in_a_line(sent) == "IndexError: list index out of range (my_job.py, line 3)"


def test_long_messages_become_a_line() -> None:
    line = describe_in_a_line(InputError("values:\n" + "1.0, " * 1000))
    assert "\n" not in line
    assert len(line) <= MAX_CHARACTERS + len(" …")
    assert line.startswith("values: 1.0,")


def test_failures_are_grouped() -> None:
    failed: dict[str, Exception] = {f"arm {index}": InputError("no config") for index in range(22)}
    failed["last arm"] = InputError("no room")
    first, *reasons = str(jobs_error(failed, 30, {})).splitlines()
    assert first.startswith("23 of 30 jobs failed")
    assert reasons == ["  arm 0 and 21 more: no config", "  last arm: no room"]
