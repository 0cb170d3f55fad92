"""The experiment on labels and collapse: nested labels, finished jobs, and the page as its data have it."""

import numpy as np
import pytest
from test_docs import TOOLS, tool


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return {name: tool(name) for name in ("conditioning", "conditioning_page")}


def test_the_page_has_the_tables_of_its_data(tools):
    page = tools["conditioning_page"]
    text = (page.RESULTS / "conditioning.md").read_text()
    scores = page.Scores()
    assert page.fill_conditioning(text) == text
    assert page.make_arm_table(scores) in page.fill_conditioning(text, is_site=True)
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


def test_a_line_that_a_kill_cut_off_is_removed(tools, tmp_path):
    conditioning = tools["conditioning"]
    first_row = '{"job": {"data": "cmu", "seed": 60, "labels": 14, "policy": "real"}, "rows": []}\n'
    (tmp_path / conditioning.ROWS).write_text(first_row + '{"job": {"da')
    assert list(conditioning.read_rows(tmp_path)) == [(conditioning.Job("cmu", 60, 14, "real"), [])]
    assert (tmp_path / conditioning.ROWS).read_text() == first_row
