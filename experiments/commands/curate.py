"""`selfcorrect curate`: people compare motions in the browser; loops use what they preferred."""

from __future__ import annotations

import html
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.skeletons.reading import Reading

from ..jobs.targets import check_output
from .demo import somebody_looks
from .inputs import must_be_readable, must_exist

if TYPE_CHECKING:
    from ..curation.session import Session

_MOST = 100_000
_LONGEST_NAME = 40


@dataclass(frozen=True)
class CurateCommand:
    """Have people compare motions, two at a time, in the browser. Loops can then use what they preferred.

    Keys: ← or → for the better one, ↓ for no difference, x to reject one or both, u to undo, space to pause. Each
    answer is on disk before the next pair is shown. Stop with Ctrl-C; the same command resumes. `--summary` reports
    agreement of raters, pull of the sides, and strengths (Bradley–Terry). `selfcorrect motion --ratings FILE` uses
    what people preferred: docs/curate.md.
    """

    sources: tyro.conf.Positional[tuple[Path, ...]] = ()
    """A run folder, or the folder of one of its arms; or motion files and folders of them."""
    database: Path = Path("ratings.sqlite")
    """File of all choices (SQLite). It is created if needed, and nothing is ever removed from it."""
    rater: str = ""
    """Name of the rater (default: your login name). Several raters can share a database."""
    pairs: int | None = None
    """Number of pairs to show to this rater (default: three per sample)."""
    samples: int = 32
    """Approximate number of samples of a run."""
    generation: int | None = None
    """Generation of a run (default: the last)."""
    question: str = "Which one looks more real?"
    """Question to the raters."""
    seed: int = 0
    """Seed for the choice of samples, pairs and sides."""
    marked: bool = False
    """Colour and count faults, as `selfcorrect view` does (default: motions only)."""
    port: int = 0
    """Port of the page on this machine (default: any free port)."""
    open: bool = True
    """Open the page in the browser, if there is a screen and a terminal."""
    summary: bool = False
    """Print the summary of the database, and end."""
    out: Annotated[Path | None, tyro.conf.arg(aliases=("-o",))] = None
    """Write the summary of the database as .json or .csv, and end."""
    overwrite: bool = False
    """Replace that file if it exists."""
    reading: Annotated[Reading, tyro.conf.arg(name="")] = field(default_factory=Reading)

    def run(self) -> None:
        """Serve until interrupted, or report."""
        if self.summary or self.out is not None:
            self._report()
        else:
            self._serve(self._start_session())

    def _report(self) -> None:
        if self.sources:
            raise SettingError("summary and out read only the database; leave out the sources")
        if self.out is not None and self.out.suffix.lower() not in (".json", ".csv"):
            raise SettingError(f"{self.out}: ratings are written as .json or .csv")
        check_output(self.out, self.overwrite, [self.database])
        from selfcorrect.storage.files.strict_json import to_json
        from selfcorrect.storage.files.writing import write_atomically

        from ..curation.database import RatingDatabase
        from ..curation.summary import summarize

        with RatingDatabase(self.database) as database:
            ratings = summarize(database)
        if self.summary:
            print(ratings.to_text())
        if self.out is not None:
            is_csv = self.out.suffix.lower() == ".csv"
            text = ratings.to_csv() if is_csv else json.dumps(to_json(ratings.to_json()), indent=1) + "\n"
            write_atomically(self.out, text, overwrite=self.overwrite)
            print(self.out)

    def _start_session(self) -> Session:
        """Return the rater's session; every mistake of the caller comes before anything is written."""
        if not self.sources:
            raise SettingError("nothing to compare; name a run folder or at least two motion files")
        check_count("port", self.port, 0, 65535)
        check_count("samples", self.samples, 1, _MOST)
        if self.pairs is not None:
            check_count("pairs", self.pairs, 1, _MOST)
        if not self.question.strip():
            raise SettingError("question must not be empty")
        rater = self.rater or _login_name()
        if not rater.isprintable() or not 0 < len(rater.strip()) <= _LONGEST_NAME:
            raise SettingError(f"rater must be a name of 1 to {_LONGEST_NAME} printable characters, got {rater!r}")
        must_be_readable(self.sources)
        must_exist(self.reading.files)
        from selfcorrect.core.randomness import streams
        from selfcorrect.motion.motion import Motion

        from ..curation.database import RatingDatabase, RatingStudy
        from ..curation.features import MOTION_FEATURES
        from ..curation.items import collect_items
        from ..curation.session import Session

        items = collect_items(self.sources, self.samples, self.generation, streams(self.seed), self.reading)
        if isinstance(items[0].shown, Motion):
            study = RatingStudy("motions", self.question, self.seed, MOTION_FEATURES)
        else:
            study = RatingStudy("pictures", self.question, self.seed, ())
        return Session(RatingDatabase(self.database, study), items, rater, self.pairs, marked=self.marked)

    def _serve(self, session: Session) -> None:
        from ..curation.server import CurationServer

        with session.database, CurationServer(session, self.port) as server:
            state = session.state()
            print(f"{session.rater}: {state['done']} of {state['total']} pairs answered, in {self.database}")
            print(f"{server.address} (Ctrl-C ends)", flush=True)
            browser = nullcontext()
            if self.open and somebody_looks():
                browser = _open_in_browser(server.address, self.database.absolute().parent)
            with browser:
                try:
                    server.serve_forever()
                finally:
                    answer_count = session.state()["done"]
                    print(f"\n{answer_count} answers of {session.rater} are in {self.database}", file=sys.stderr)


@contextmanager
def _open_in_browser(address: str, folder: Path) -> Iterator[None]:
    """Open a page whose address holds a secret, without showing the address to other users of the machine.

    The command line of a browser is public (`ps`). So the browser opens a file that only its owner can read, and the
    file redirects to the address. It lies in a folder of the user: browsers in a sandbox cannot read the temporary
    folder of the system. It is deleted at the end.

    Args:
        address: The secret address.
        folder: Folder for the file.
    """
    import webbrowser

    descriptor, name = tempfile.mkstemp(prefix="curate-", suffix=".html", dir=folder)  # readable by its owner only
    redirect = Path(name)
    try:
        with open(descriptor, "w", encoding="utf-8") as file:
            file.write(f'<!doctype html>\n<meta http-equiv="refresh" content="0; url={html.escape(address)}">\n')
        webbrowser.open(redirect.absolute().as_uri())
        yield
    finally:
        redirect.unlink(missing_ok=True)


def _login_name() -> str:
    import getpass

    try:
        return getpass.getuser()[:_LONGEST_NAME]
    except (OSError, KeyError, ImportError) as error:
        raise InputError(f"your login name could not be found ({error}); give --rater") from error
