"""Progress reported from inside long work."""

import pytest

from selfcorrect.runtime.processes import map_tasks
from selfcorrect.runtime.progress import part_of_work, report_progress, watch_progress


def test_parts_of_parts_add_up():
    reports = []
    with watch_progress(reports.append):
        for half in (0.0, 0.5):
            with part_of_work(half, half + 0.5):
                report_progress(0.5)
                with part_of_work(0.5, 1.0):
                    report_progress(0.5)
    assert reports == pytest.approx([0.25, 0.375, 0.5, 0.75, 0.875, 1.0])


def test_repeated_work_is_silent():
    reports = []
    with watch_progress(reports.append):
        for share in (0.2, 0.6, 0.1, 0.5, 0.6, 0.7):
            report_progress(share)
    assert reports == [0.2, 0.6, 0.7]


def test_unwatched_progress_is_fine():
    reports = []
    report_progress(0.5)
    with pytest.raises(ValueError, match="left"), watch_progress(reports.append), part_of_work(0.0, 0.1):
        raise ValueError("left")
    report_progress(0.5)
    assert reports == []


def test_each_task_is_a_part():
    reports = []
    with watch_progress(reports.append):
        map_tasks(report_progress, [0.5, 1.0], workers=1)
    assert reports == [0.25, 0.5, 1.0]
