"""The experiment on labels and collapse: the page as its data have it."""

import numpy as np
import pytest
from test_docs import TOOLS, tool


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return tool("conditioning_page")


def test_the_page_has_the_tables_of_its_data(page):
    text = (page.RESULTS / "conditioning.md").read_text()
    scores = page.Scores()
    assert page.fill_conditioning(text) == text
    assert page.make_arm_table(scores) in page.fill_conditioning(text, is_site=True)
    difference = page.primary_differences(scores)["both"]
    assert len(difference) == 5
    error = difference.std(ddof=1) / np.sqrt(5)
    assert f"[+{difference.mean() - 2.776 * error:.2f}, +{difference.mean() + 2.776 * error:.2f}]" in text
