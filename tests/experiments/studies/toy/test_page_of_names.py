"""Reports show names and texts as they are; none becomes part of the page's code."""

from functools import cache
from html.parser import HTMLParser

import numpy as np
import pytest

from selfcorrect.experiments.studies.drawables import Line, Panel
from selfcorrect.experiments.studies.figures import draw
from selfcorrect.experiments.studies.page import Section, render_page
from selfcorrect.experiments.studies.tables import Cell, PageRow, Table

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


@cache
def view_page(name: str) -> Seen:
    """A page that holds only a name."""
    figure = draw(Panel(name, name, name, np.arange(3.0), [Line(name, np.ones((2, 3)))], caveat=name))
    section = Section(name, name, Table("table", name, [name], [PageRow(name, [Cell(name)])]), [figure])
    seen = Seen()
    answer = Section(text=name, style="answer")
    warning = Section(text=name, style="warning")
    seen.feed(render_page(name, [answer, warning, section, Section(name, name, facts={name: name}, caption=name)]))
    return seen


@pytest.mark.slow
@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_a_name(name: str) -> None:
    plain = view_page("plain")
    seen = view_page(name)
    assert (seen.tags, seen.attributes) == (plain.tags, plain.attributes)
    assert seen.text.count(name) >= plain.text.count("plain") - 1  # but the caveat, which is wrapped


def test_commands_between_backticks_are_code() -> None:
    page = render_page("plain", [Section(text="Run `selfcorrect <file>`, then look.")])
    assert "Run <code>selfcorrect &lt;file&gt;</code>, then look." in page
