"""The gallery: one self-contained page with every toy experiment's figures, predictions and measurements."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jinja2

from selfcorrect.statistics import CollapseFinding
from selfcorrect.storage.files.strict_json import to_json
from selfcorrect.storage.files.written import Written

from .drawing import draw
from .result import Result

PAGE, RESULTS = "gallery.html", "results.json"
TEMPLATE = Path(__file__).with_name("gallery.html")
IN_RESULTS = ("name", "source", "settings", "seconds", "reading", "ends", "checks")


@dataclass(frozen=True)
class Exhibit:
    """A finished experiment: its name, title and source, its settings, what came out, and how long it took."""

    name: str
    title: str
    source: str
    settings: Any
    result: Result
    seconds: float


def section_of(exhibit: Exhibit) -> dict[str, Any]:
    """What the page shows of an exhibit, as JSON values, its figures as SVG."""
    result = exhibit.result
    return {
        "name": exhibit.name,
        "title": exhibit.title,
        "source": exhibit.source,
        "settings": repr(exhibit.settings),
        "seconds": round(exhibit.seconds, 2),
        "reading": result.reading,
        "ends": asdict(result.ends),
        "checks": [asdict(check) for check in result.checks],
        "figures": [draw(figure) for figure in result.figures],
        "profiles": {name: [_row(finding) for finding in findings] for name, findings in result.profiles.items()},
        "notes": list(result.notes),
    }


def _row(finding: CollapseFinding) -> dict[str, str]:
    measure = "" if finding.measure is None else str(finding.measure)
    return {"definition": finding.definition, "status": finding.status, "rule": finding.rule, "measure": measure}


def write_gallery(sections: Sequence[Mapping[str, Any]], folder: Path) -> Path:
    """Write gallery.html and results.json of `section_of` exhibits into the folder; returns the page's path."""
    page = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    path = folder / PAGE
    failed = [(section["name"], check) for section in sections for check in section["checks"] if not_reproduced(check)]
    results = [{name: section.get(name) for name in IN_RESULTS} for section in sections]
    texts = {
        path: page.render(sections=sections, not_reproduced=failed),
        folder / RESULTS: json.dumps(to_json(results), indent=1, allow_nan=False) + "\n",
    }
    for file, text in texts.items():
        with Written(folder).replacing(file) as temporary:
            temporary.write_text(text, encoding="utf-8", errors="backslashreplace")
    return path


def not_reproduced(check: Mapping[str, Any]) -> bool:
    """Whether a published claim failed here; a `Check` as JSON."""
    return check["published"] and check["outcome"] == "fails"
