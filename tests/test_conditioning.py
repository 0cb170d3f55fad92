"""The pages on labels and collapse agree with data."""

from importlib import import_module

import numpy as np


def test_page_tables_match_data():
    page = import_module("conditioning_page")
    text = "".join((page.RESULTS / name).read_text() for name in ("index.md", "tables.md"))
    scores = page.Scores()
    assert page.fill_conditioning(text) == text
    assert page.make_arm_table(scores) in page.fill_conditioning(text)
    difference = page.primary_differences(scores)["both"]
    assert len(difference) == 5
    error = difference.std(ddof=1) / np.sqrt(5)
    assert f"[+{difference.mean() - 2.776 * error:.2f}, +{difference.mean() + 2.776 * error:.2f}]" in text
