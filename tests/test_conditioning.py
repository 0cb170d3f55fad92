"""The experiment on labels and collapse: nested labels, finished jobs, and the page as its data have it."""

import math
from importlib import import_module

import numpy as np
import pytest


@pytest.fixture
def tools():
    return {name: import_module(name) for name in ("conditioning", "conditioning_page")}


def test_the_page_has_the_tables_of_its_data(tools):
    page = tools["conditioning_page"]
    text = (page.RESULTS / "conditioning.md").read_text()
    scores = page.Scores()
    assert page.fill_conditioning(text) == text
    assert page.make_arm_table(scores) in page.fill_conditioning(text)
    difference = page.primary_differences(scores)["both"]
    assert len(difference) == 5
    error = difference.std(ddof=1) / np.sqrt(5)
    assert f"[+{difference.mean() - 2.776 * error:.2f}, +{difference.mean() + 2.776 * error:.2f}]" in text


def test_labels_are_nested_and_as_many_as_asked(tools):
    draw = np.random.default_rng(0)
    vectors = draw.normal(size=(60, 3))
    coarsest = np.repeat([0, 1, 2, 3, 4], [30, 15, 8, 5, 2])
    finest = tools["conditioning"].relabel(coarsest, vectors, 60)
    assert sorted(finest) == list(range(60))
    for count in (1, 3, 5, 17):
        labels = tools["conditioning"].relabel(coarsest, vectors, count)
        assert len(np.unique(labels)) == count
        coarse, fine = (labels, coarsest) if count < 5 else (coarsest, labels)
        assert all(len(np.unique(coarse[fine == label])) == 1 for label in np.unique(fine))


def test_a_finished_job_is_not_done_again(tools, tmp_path, monkeypatch):
    conditioning = tools["conditioning"]
    job = conditioning.Job("cmu", 60, 14, "augment:1")
    monkeypatch.setattr(conditioning, "run_job", lambda *_: [{"generation": 0, "coverage": 0.12345}])
    conditioning.finish_job(tmp_path, tmp_path, 1, 0.0, job)
    assert dict(conditioning.read_rows(tmp_path)) == {}, "the time was over"
    for _ in range(2):
        conditioning.finish_job(tmp_path, tmp_path, 1, math.inf, job)
        monkeypatch.setattr(conditioning, "run_job", lambda *_: pytest.fail("a job is done again"))
    assert dict(conditioning.read_rows(tmp_path)) == {job: [{"generation": 0, "coverage": 0.1235}]}
