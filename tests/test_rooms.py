"""Each format, hypothesis, remedy, runner, scene and example package has a row with a public source."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from selfcorrect.datasets.files.formats import FORMATS
from selfcorrect.experiments.jobs.run import RUNNERS
from selfcorrect.loop.remedies.table import REMEDIES
from selfcorrect.motion.checks.rules import RULES
from selfcorrect.simulators.hypotheses.table import HYPOTHESES
from selfcorrect.simulators.stages.scene import Scene

REPOSITORY = Path(__file__).resolve().parents[1]
SOURCE = re.compile(r"\]\(\S+\)|arXiv \d{4}\.\d{5}")
"""A link, or a paper."""


DETAILS = ("push_from_s", "push_lasts_s", "uphill_deg")
"""Fields of a scene that belong to another field."""


def read_rows(text: str) -> dict[str, str]:
    """Return the last cell of each row by the names in its first cell."""
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| `")]
    return {name: row[-1] for row in rows for name in re.findall(r"`([^`]+)`", row[0])}


def test_rows_without_source_are_found() -> None:
    rows = read_rows("| room | source |\n| --- | --- |\n| `a`, `b` | [c](https://d.org/e) |\n| `f` | nobody |")
    assert [bool(SOURCE.search(rows[name])) for name in ("a", "b", "f")] == [True, True, False]


@pytest.mark.parametrize(
    ("heading", "names"),
    [
        ("Formats", [kind.name for kind in FORMATS]),
        ("Hypotheses", [row.name for row in HYPOTHESES if not HYPOTHESES.is_added(row.name)]),
        ("Rules of `check`", [rule.code for rule in RULES]),
        ("Remedies", [row.name for row in REMEDIES if not REMEDIES.is_added(row.name)]),
        ("Runners", [row.name for row in RUNNERS if not RUNNERS.is_added(row.name)]),
        (
            "Scenes and comparisons",
            [*(field.name for field in fields(Scene) if field.name not in DETAILS), "--against", "--references"],
        ),
        ("Example packages", [path.name for path in (REPOSITORY / "examples" / "plugins").iterdir() if path.is_dir()]),
    ],
)
def test_every_room_has_a_source(heading: str, names: list[str]) -> None:
    page = (REPOSITORY / "docs" / "rooms.md").read_text(encoding="utf-8")
    section = page.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    rows = read_rows(section)
    assert sorted(rows) == sorted(names)
    assert [name for name, source in rows.items() if not SOURCE.search(source)] == []


def test_every_entry_point_has_a_row() -> None:
    packages = ("selfcorrect", "simulators", "datasets", "experiments", "commands")
    sources = [path.read_text(encoding="utf-8") for name in packages for path in (REPOSITORY / name).rglob("*.py")]
    groups = {group for source in sources for group in re.findall(r'group="(selfcorrect\.\w+)"', source)}
    page = (REPOSITORY / "docs" / "rooms.md").read_text(encoding="utf-8")
    section = page.partition("\n## Entry points\n")[2].partition("\n## ")[0]
    assert read_rows(section).keys() == groups
