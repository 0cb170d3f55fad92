"""Reports as one HTML file that needs no network."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import jinja2

from selfcorrect.motion.pictures.player import SCENE_MARK
from selfcorrect.motion.pictures.player import TEMPLATE as PLAYER

TEMPLATE = Path(__file__).with_name("report.html")


@dataclass(frozen=True)
class Cell:
    """A value and, in small print below it, its interval."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class PageRow:
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
    rows: list[PageRow] = field(default_factory=list)
    interval: str = "95 %"
    """Name of intervals in the head of a CSV file."""


@dataclass(frozen=True)
class Section:
    """A heading, a paragraph of how to read it, a table."""

    title: str
    text: str
    table: Table
    figures: Sequence[str] = ()
    """SVG text below the table."""


@dataclass(frozen=True)
class PageClip:
    """Motions that the player shows, as `player.scene_of` gives them, and the words to choose them by."""

    caption: str
    scene: str


@dataclass(frozen=True)
class Picture:
    """A figure as SVG text, and the words below it."""

    svg: str
    caption: str


@dataclass(frozen=True)
class Page:
    """The contents of a report: SVG text in pictures and curves, everything else plain text."""

    title: str
    subtitle: str
    answer: str
    picture: Picture | None = None
    details: Sequence[str] = ()
    warnings: Sequence[str] = ()
    curves: str = ""
    sections: Sequence[Section] = ()
    clips: Mapping[str, Sequence[PageClip]] = field(default_factory=dict)
    """Clips that one player shows one after another, by heading."""
    facts: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()
    refresh_s: int | None = None
    """Seconds after which a browser loads a page again that is not final."""


def render_page(page: Page) -> str:
    """The page as HTML text, motions and their player included."""
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    scenes = [clip.scene for clips in page.clips.values() for clip in clips]
    player = {
        "page": PLAYER.read_text(encoding="utf-8").replace("{{ title }}", "Motions"),
        "mark": SCENE_MARK,
        "scenes": scenes,
    }
    return environment.from_string(TEMPLATE.read_text(encoding="utf-8")).render(page=page, player=player)
