"""Reports as one HTML file that needs no network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True)
class Cell:
    """A value and, in small print below it, its interval."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a table; one without cells is a heading."""

    title: str
    cells: Sequence[Cell]
    soft: bool = False
    """In grey, for reference."""


@dataclass(frozen=True)
class Table:
    """A table with an id for links and tests."""

    id: str
    corner: str
    columns: Sequence[str]
    rows: list[Row] = field(default_factory=list)


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph of how to read it, a table."""

    title: str
    text: str
    table: Table


@dataclass(frozen=True)
class Video:
    """A film (MP4) and the words below it."""

    caption: str
    path: Path


@dataclass(frozen=True)
class Page:
    """The contents of a report; `curves` is SVG text, everything else plain text."""

    title: str
    subtitle: str
    verdict: Sequence[str]
    warnings: Sequence[str]
    curves: str
    sections: Sequence[Section]
    media: Mapping[str, Sequence[Video]]
    facts: Mapping[str, str]
    notes: Sequence[str]


def render_page(page: Page) -> str:
    """The page as HTML text, videos included."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["data_url"] = _data_url
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(page=page)


def _data_url(path: Path) -> str:
    return "data:video/mp4;base64," + base64.b64encode(path.read_bytes()).decode()
