"""The gallery shows names and texts as they are; none of them becomes part of the page."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.experiments.toy.drawing import draw
from selfcorrect.experiments.toy.gallery import write_gallery
from selfcorrect.experiments.toy.result import Line, Panel

HOSTILE = (
    "</title><script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onload='alert(1)", "</svg><style>*{}",
    "{{ 7 * 7 }}{% raw %}", "]]>", "<!--", "&lt;script&gt;", "$\\frac{$", "$a_{b$", "a$b$c",
)  # fmt: skip


class Seen(HTMLParser):
    """Tags and attributes of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.attributes, self.text = set[str](), set[str](), ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data


def gallery(name: str, folder: Path) -> Seen:
    """The gallery of an exhibit that says nothing but a name."""
    figure = draw(Panel(name, name, name, np.arange(3.0), [Line(name, np.ones((2, 3)))], caveat=name))
    check = {"statement": name, "predicted": name, "measured": name, "outcome": "fails", "published": True}
    finding = {"definition": name, "status": f"x {name}", "rule": name, "measure": name}
    fields = dict.fromkeys(("name", "title", "source", "settings", "reading"), name)
    section = {**fields, "seconds": 1.0, "checks": [check], "figures": [figure], "profiles": {name: [finding]},
               "notes": [name], "ends": {"columns": [name], "rows": {name: [name]}}}  # fmt: skip
    seen = Seen()
    seen.feed(write_gallery([section], folder).read_text(encoding="utf-8"))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_a_name(name: str, tmp_path: Path) -> None:
    plain, seen = gallery("plain", tmp_path / "plain"), gallery(name, tmp_path / "hostile")
    assert (seen.tags, seen.attributes) == (plain.tags, plain.attributes)
    assert seen.text.count(name) >= plain.text.count("plain") - 1  # but the caveat, which is wrapped


def test_a_name_that_is_no_text_is_escaped(tmp_path: Path) -> None:
    section = {**dict.fromkeys(("name", "title", "source", "settings", "reading"), "caf\udce9"), "seconds": 1.0,
               "checks": [], "figures": [], "profiles": {}, "notes": [],
               "ends": {"columns": [], "rows": {}}}  # fmt: skip
    assert "caf\\udce9" in write_gallery([section], tmp_path).read_text(encoding="utf-8")


def test_the_page_shows_the_table_of_ends(tmp_path: Path) -> None:
    ends = {"columns": ["modes left"], "rows": {"real only": ["0.97"], "replace": ["0.125"]}}
    section = {**dict.fromkeys(("name", "title", "source", "settings", "reading"), "a loop"), "seconds": 1.0,
               "checks": [], "figures": [], "profiles": {}, "notes": [], "ends": ends}  # fmt: skip
    seen = Seen()
    seen.feed(write_gallery([section], tmp_path).read_text(encoding="utf-8"))
    told = "".join(seen.text.split("modes left", maxsplit=1)[1].split())
    assert told.startswith("realonly0.97replace0.125")
    assert json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))[0]["ends"] == ends
