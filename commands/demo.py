"""`selfcorrect demo`: a damaged walk and its correction."""

import os
import sys
import webbrowser
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from selfcorrect.core.errors import SettingError
from selfcorrect.experiments.jobs.targets import check_output, place_of
from selfcorrect.storage.files.limits import open_file
from selfcorrect.storage.files.writing import write_atomically

from .command_line.help_page import HelpPage


@dataclass(frozen=True)
class DemoCommand:
    """Damage a captured walk, correct it, and show both in the browser.

    The feet of the damaged walk sink and slide, and its limbs shake. Needs no data, no network and no GPU.

    Exit code 0: the walk was corrected. 1: it was not.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect demo": "Write demo.html, and open the page if there is a screen.",
            "selfcorrect demo --out walk.html --no-open": "Only write a page of this name.",
        }
    )

    out: Path = Path("demo.html")
    """The page with both motions, which needs no network."""
    overwrite: bool = False
    """Replace the file if it exists. An earlier page of the demo is always replaced."""
    open: bool = True
    """Open the page in the browser, if there is a screen and a terminal."""

    def run(self) -> int:
        """Damage and correct the walk, print four figures before and after, and write and open the page."""
        if self.out.suffix != ".html":
            raise SettingError(f"--out {self.out}: the page's name must end in .html")
        check_output(self.out, self.overwrite or _is_demo_page(self.out))

        from .correct.demonstration import demonstration
        from .correct.show import show

        print("Correcting a walk whose feet sink and skate and whose limbs shake …", flush=True)
        demo = demonstration()
        if not demo.after.accepted:
            print(f"The walk was not corrected: {demo.after.reason}", file=sys.stderr)
            return 1
        print(*demo.lines(), sep="\n")
        page = place_of(self.out)
        write_atomically(page, show(demo.before, demo.after, titles=_TITLES).html)
        print(f"{self.out} plays both motions.")
        if self.open:
            open_page(page)
        return 0


_TITLES = ("before", "after")


def _is_demo_page(path: Path) -> bool:
    """Return whether a file is an earlier page of the demo."""
    if not path.is_file():
        return False
    with open_file(path) as file:
        return f"<title>{', '.join(_TITLES)}</title>".encode() in file.read(1000)


def open_page(page: Path) -> None:
    """Open a page in the browser; see `open_address`."""
    open_address(page.as_uri())


def open_address(address: str) -> None:
    """Open an address in the browser, unless output goes to a pipe or there is no screen, as in CI."""
    has_display = any(os.environ.get(key) for key in ("DISPLAY", "WAYLAND_DISPLAY"))
    has_screen = has_display or sys.platform in ("darwin", "win32")
    if has_screen and sys.stdout.isatty():
        webbrowser.open(address)
