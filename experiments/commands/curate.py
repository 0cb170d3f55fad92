"""`selfcorrect curate`: people compare motions on a page; loops use what they preferred."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.files.skeletons.reading import Reading

from ..jobs.targets import check_output, place_of
from .demo import open_page
from .inputs import must_be_readable, must_be_usable

_LONGEST_NAME = 40


@dataclass(frozen=True)
class CurateCommand:
    """Have people compare motions, two at a time, on a page. Loops can then use what they preferred.

    `curate RUN --rater NAME` or `curate FILES --rater NAME` makes the page, a file that needs no network. It saves the
    choices as choices-RATER.jsonl. `selfcorrect motion --ratings FILE` uses what people preferred, and
    examples/curation/summarize_choices.py reports agreement and strengths: docs/curate.md.
    """

    sources: tyro.conf.Positional[tuple[Path, ...]] = ()
    """A run folder, or the folder of one of its arms; or motion files and folders of them."""
    rater: str = ""
    """Name of the rater, which has to be given. Each rater has a page."""
    pairs: int | None = None
    """Number of pairs to show (default: three per sample)."""
    question: str = "Which one looks more real?"
    """Question to the raters."""
    marked: bool = False
    """Colour and count faults, as `selfcorrect view` does (default: motions only)."""
    open: bool = True
    """Open the page in the browser, if there is a screen and a terminal."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=("-o",))] = None
    """The page (default: curate-RATER.html)."""
    overwrite: bool = False
    """Replace that file if it exists."""
    reading: Annotated[Reading, tyro.conf.arg(name="")] = field(default_factory=Reading)

    def run(self) -> None:
        """Write the page."""
        if not self.sources:
            raise SettingError("nothing to compare; name a run folder, or at least two motion files")
        if self.pairs is not None:
            check_count("pairs", self.pairs, 1, 100_000)
        if not self.question.strip():
            raise SettingError("question must not be empty")
        if not self.rater.isprintable() or not 0 < len(self.rater.strip()) <= _LONGEST_NAME:
            raise SettingError(f"--rater must be a name of 1 to {_LONGEST_NAME} characters, got {self.rater!r}")
        plain_name = re.sub(r"[\W_]", "-", self.rater)
        out = self.out or Path(f"curate-{plain_name}.html")
        if out.suffix.lower() != ".html":
            raise SettingError(f"{out}: the page's name must end in .html")
        must_be_readable(self.sources)
        must_be_usable(self.reading)
        check_output(out, self.overwrite, self.sources)
        from selfcorrect.storage.files.writing import write_atomically

        from ..curation.items import collect_items
        from ..curation.page import make_rating_page

        items = collect_items(self.sources, self.reading)
        page, pairs = make_rating_page(items, self.rater, question=self.question, pairs=self.pairs, marked=self.marked)
        write_atomically(place_of(out), page, overwrite=self.overwrite)
        print(f"{out} shows {self.rater} {pairs} pairs of {len(items)} samples, and saves the choices.")
        if self.open:
            open_page(place_of(out))
