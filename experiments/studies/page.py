"""Pages of studies: sections, the sections that several studies have, and their HTML.

Only this module renders pages. `motion_page`, `comparison_page` and `toy_page` say what stands on the pages of their
studies: each has a `Page` that returns sections.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import jinja2
from markupsafe import Markup, escape

from selfcorrect.motion.measures.metrics import Metric
from selfcorrect.motion.pictures.player import SCENE_MARK
from selfcorrect.motion.pictures.player import TEMPLATE as PLAYER

from .claims import Check
from .effects import JUDGEMENT
from .figures import curve_grid
from .outcome import Outcome
from .study import Study
from .tables import BELOW_MEANS, CLAIMS_TEXT, MARKS_LEGEND, Table, claims_table, differences_table

_TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True)
class PageClip:
    """Motions as the player's scene (`player.scene_of`), with the words by which readers choose them."""

    caption: str
    scene: str


@dataclass(frozen=True)
class Section:
    """Section of a page; figures hold SVG text, everything else is plain text."""

    title: str = ""
    text: str = ""
    """Sentences above the contents, a paragraph a line."""
    table: Table | None = None
    figures: Sequence[str] = ()
    caption: str = ""
    """Words below table and figures."""
    scenes: Sequence[PageClip] = ()
    """Clips that are shown side by side, all at once."""
    clips: Mapping[str, Sequence[PageClip]] = field(default_factory=dict)
    """Clips that one player shows one after another, by heading."""
    facts: Mapping[str, str] = field(default_factory=dict)
    id: str = ""
    """Name of the figure's file, "" for no file."""
    style: Literal["plain", "answer", "warning", "folded"] = "plain"
    files: Sequence[Path] = ()
    """Files that were written beside the page."""
    gap: str = ""
    """Sentence about missing results, "" if none is missing."""

    @property
    def has_contents(self) -> bool:
        """Return False for a section with an empty table."""
        return self.table is None or bool(self.table.rows and self.table.columns)


@dataclass(frozen=True, kw_only=True)
class Page(ABC):
    """Contents of a study's page, which stays in the process that runs the study."""

    title: str
    """Question of the study."""
    settings: Mapping[str, object]
    """Settings in the summary, as JSON values."""
    early: Sequence[str] = ()
    """Keys of the metrics on the page of a run under way, by default of all that generation 0 measured."""

    @abstractmethod
    def show(self, study: Study, outcome: Outcome) -> Sequence[Section]:
        """Return the sections, the answer first."""

    def judge(self, study: Study, measured: Outcome) -> Outcome:
        """Add real data's scores, and compare the pairs."""
        return measured

    def list_final(self, outcome: Outcome) -> Mapping[str, float]:
        """Return the figures of the last generation, at which sweeps of W&B aim."""
        return {}


def render_page(title: str, sections: Sequence[Section], refresh_s: int | None = None) -> str:
    """Render a page as HTML, including its motions and their player.

    Args:
        refresh_s: Seconds after which a browser loads a page again that is not final.
    """
    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["mark_code"] = _mark_code
    player = {
        "page": PLAYER.read_text(encoding="utf-8").replace("{{ title }}", "Motions"),
        "mark": SCENE_MARK,
        "scenes": [clip.scene for section in sections for clips in section.clips.values() for clip in clips],
        "side_by_side": [clip.scene for section in sections for clip in section.scenes],
    }
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(title=title, sections=sections, refresh_s=refresh_s, player=player)


def _mark_code(text: str) -> Markup:
    """Mark up what stands between backticks as code in HTML."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))


# --- sections that several studies have -------------------------------------------------------------------------------


def answer_sections(outcome: Outcome, answer: str) -> list[Section]:
    """Return the answer and reservations, such as missing results."""
    warnings_beside = [Section(text=sentence, style="warning") for sentence in (*outcome.gaps, *outcome.remarks)]
    return [Section(text=answer, id="verdict", style="answer"), *warnings_beside]


def difference_section(outcome: Outcome, text: str) -> Section:
    """Return the section with the means of all arms and their paired differences from the references."""
    return Section(
        "Differences", table=differences_table(outcome), caption=f"{MARKS_LEGEND} {BELOW_MEANS} {text} {JUDGEMENT}"
    )


CURVES_TEXT = (
    "Lines are means over seeds, and bands are 95 % intervals; if there are two seeds, both are thin lines. A dotted "
    "line is the score of real data that no model was trained on, which no model can be expected to beat. Measures use "
    "the raw samples of each generation: a corrector changes what the next model is trained on, not what is measured."
)


def curves_section(outcome: Outcome, metrics: Sequence[Metric]) -> Section:
    """Return the curves of all arms over generations."""
    svg = curve_grid(outcome.columns(), metrics, outcome.levels)
    return Section("All curves", CURVES_TEXT, figures=[svg], id="curves", style="folded")


def claims_section(title: str, id: str, checks: Sequence[Check]) -> Section:
    """Return statements with what was predicted and measured."""
    return table_section(title, CLAIMS_TEXT, claims_table(id, checks))


def table_section(title: str, text: str, table: Table) -> Section:
    """Return a folded section with a table."""
    return Section(title, text, table, style="folded")


def count_runs(study: Study) -> dict[str, str]:
    """Return the numbers of seeds and generations, as facts about how a page was made."""
    seeds = list(dict.fromkeys(run.seed for run in study.seeds))
    return {"Seeds": f"{len(seeds)}, from {seeds[0]}", "Generations": str(study.generations)}


def made_section(command: str, facts: Mapping[str, str] | None = None, files: Sequence[Path] = ()) -> Section:
    """Return the section on how the study was run, with files that were written beside the page."""
    return Section("How it was made", facts={"Command": command, **(facts or {})}, files=files)


def notes_section(notes: Sequence[str]) -> Section:
    """Return the section on how to read the page, with a paragraph per note."""
    return Section("How to read this", "\n".join(notes))
