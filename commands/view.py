"""`selfcorrect view`: show motions side by side."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.formats import readable_suffixes
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.experiments.jobs.targets import check_output
from selfcorrect.runtime.bugs import describe_failure
from selfcorrect.storage.files.digests import make_titles
from selfcorrect.storage.files.writing import write_atomically

from .command_line.help_page import HelpPage
from .command_line.inputs import READING_OPTIONS, must_be_readable, must_be_usable
from .demo import open_page

if TYPE_CHECKING:
    from selfcorrect.motion.motion import Motion


_READABLE = f"Motion files: {', '.join(readable_suffixes())}."


def _read_motions(path: Path, reading: Reading) -> tuple[Motion, ...]:
    """Read the motions of a file, and print the assumptions, or the problem if it cannot be read."""
    from selfcorrect.datasets.files.open import open_motion

    try:
        file = open_motion(path, reading, any_body=True)
    except Exception as error:  # a bad file must not stop the others
        print(f"selfcorrect: {describe_failure(path, error)}", file=sys.stderr)
        return ()
    if file.assumed:
        print(f"selfcorrect: {path}: assumed: {', '.join(file.assumed)}", file=sys.stderr)
    return file.motions


@dataclass(frozen=True)
class ViewCommand:
    """Show motion files side by side in the browser, or draw them as a picture or film."""

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect view walk.bvh corrected/walk.bvh": "Play two clips side by side in the browser.",
            "selfcorrect view walk.bvh --out walk.png": "Draw a row of poses.",
        },
        groups={"reading": READING_OPTIONS},
    )

    files: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(help=_READABLE)]
    out: Path | None = None
    """File to write: .html (a page that needs no network), .png (a row of poses per motion), .gif or .mp4. By
    default, a temporary page is opened."""
    overwrite: bool = False
    """Replace the file if it exists."""
    reading: Annotated[Reading, tyro.conf.arg(name="", help="")] = field(default_factory=Reading)

    def run(self) -> None:
        """Draw the motions, or show them in the browser."""
        if not self.files:
            raise SettingError("no input; name motion files, as in `selfcorrect view walk.bvh`")
        is_page = self.out is None or self.out.suffix == ".html"
        must_be_readable(self.files)
        must_be_usable(self.reading)
        check_output(self.out, self.overwrite, self.files)
        from selfcorrect.motion.editing.transforms import resample
        from selfcorrect.motion.pictures.drawing import draw_motions

        titles: list[str] = []
        motions: list[Motion] = []
        for name, path in zip(make_titles(self.files), self.files, strict=True):
            file_motions = _read_motions(path, self.reading)
            is_single = len(file_motions) == 1
            for number, motion in enumerate(file_motions):
                titles.append(name if is_single else f"{name} [{number}]")
                motions.append(resample(motion, motions[0].fps) if motions else motion)
        if not motions:
            raise InputError("no file could be read")
        if self.out is not None and not is_page:
            draw_motions(self.out, motions, titles, overwrite=self.overwrite)
            print(self.out)
            return

        from .correct.show import show

        page = self.out or Path(tempfile.mkdtemp(prefix="selfcorrect-")) / "motions.html"
        text = show(*motions, titles=titles).html
        write_atomically(page, text, overwrite=self.overwrite)
        print(page)
        if self.out is None:
            open_page(page)
