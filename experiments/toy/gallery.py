"""The gallery: one self-contained page with every toy experiment's figures, predictions and measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2

from selfcorrect.experiments.toy.drawing import draw
from selfcorrect.experiments.toy.result import Check, Result
from selfcorrect.storage.files import write_atomically

PAGE, RESULTS = "gallery.html", "results.json"
TITLE = "<title>Self-consuming loops at toy scale</title>"
TEMPLATE = Path(__file__).with_name("gallery.html")


@dataclass(frozen=True)
class Exhibit:
    """A finished experiment: its name, title and source, its settings, what came out, and how long it took."""

    name: str
    title: str
    source: str
    settings: Any
    result: Result
    seconds: float


def write_gallery(exhibits: list[Exhibit], folder: Path) -> Path:
    """Write gallery.html and results.json into the folder; returns the page's path."""
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(TEMPLATE.read_text())
    sections = [
        {"exhibit": exhibit, "figures": [draw(figure) for figure in exhibit.result.figures]} for exhibit in exhibits
    ]
    path = folder / PAGE
    failed = [(exhibit, check) for exhibit in exhibits for check in exhibit.result.checks if not_reproduced(check)]
    text = page.render(sections=sections, not_reproduced=failed)
    write_atomically(path, text)
    write_atomically(folder / RESULTS, json.dumps([_as_json(exhibit) for exhibit in exhibits], indent=1) + "\n")
    return path


def is_gallery(path: Path) -> bool:
    """Whether a file is a page that `write_gallery` made, by its title."""
    with path.open("rb") as file:
        return TITLE.encode() in file.read(1000)


def not_reproduced(check: Check) -> bool:
    """Whether a published claim failed here."""
    return check.published and check.outcome == "fails"


def _as_json(exhibit: Exhibit) -> Mapping[str, object]:
    return {
        "name": exhibit.name,
        "source": exhibit.source,
        "settings": repr(exhibit.settings),
        "seconds": round(exhibit.seconds, 2),
        "reading": exhibit.result.reading,
        "checks": [asdict(check) for check in exhibit.result.checks],
    }
