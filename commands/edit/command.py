"""`selfcorrect edit`: change contacts in the browser, and correct again."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar

import tyro

from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.files.formats import written_suffix
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.experiments.jobs.targets import check_output, check_separate

from ..command_line.help_page import HelpPage
from ..command_line.inputs import READING_OPTIONS, must_be_one_file, must_be_readable, must_be_usable
from ..demo import open_address


@dataclass(frozen=True)
class EditCommand:
    """Change contacts of feet by eye, in a page in the browser that corrects the motion again after each edit.

    The page is served to this machine only, and nothing leaves it. Save writes the corrected file and the contacts.
    Stop with Ctrl+C.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect edit walk.bvh": "Edit; save writes walk.edited.bvh and walk.contacts.json.",
            "selfcorrect edit walk.bvh -o fixed.bvh": "Save into a file of this name.",
        },
        groups={"reading": READING_OPTIONS},
    )

    file: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(help="Motion file with a single motion.")]
    out: Annotated[Path | None, tyro.conf.arg(aliases=("-o",))] = None
    """File that save writes (default: the input's name with .edited before the suffix, in the current folder)."""
    contacts_out: Path | None = None
    """JSON file for the contacts that save writes, which `selfcorrect correct --contacts` takes (default: the input's
    name with .contacts.json)."""
    overwrite: bool = False
    """Replace both files if they exist."""
    port: int = 0
    """Port of the page on 127.0.0.1 (default: any that is free)."""
    open: bool = True
    """Open the page in the browser, if there is a screen and a terminal."""
    reading: Annotated[Reading, tyro.conf.arg(name="", help="")] = field(default_factory=Reading)

    def run(self) -> None:
        """Serve the page until Ctrl+C."""
        must_be_one_file([self.file], self.file)
        must_be_readable([self.file])
        must_be_usable(self.reading)
        if not 0 <= self.port < 2**16:
            raise SettingError(f"port must be from 0 to {2**16 - 1}, got {self.port}")
        out = self.out or Path(f"{self.file.stem}.edited{written_suffix(self.file)}")
        contacts_out = self.contacts_out or Path(f"{self.file.stem}.contacts.json")
        check_separate({"out": out, "contacts-out": contacts_out}, [self.file])
        for path in (out, contacts_out):
            check_output(path, self.overwrite, [self.file])
        from selfcorrect.datasets.files.formats import check_written_suffix

        from ..correct.options import CorrectionOptions
        from .server import EditServer
        from .session import EditSession

        check_written_suffix(self.file, out)
        options = CorrectionOptions(kinematic=True, reading=self.reading)
        session = EditSession(self.file, options, out, contacts_out, overwrite=self.overwrite)
        print(f"Correcting {self.file} ({len(session.before)} frames) …", flush=True)
        session.render()  # what is wrong with the file is said here, and not in the browser
        with EditServer(session, self.port) as server:
            print(f"{server.address}\nOnly this machine can open this page. Stop with Ctrl+C.", flush=True)
            if self.open:
                open_address(server.address)
            try:
                server.serve_forever(poll_interval=0.1)
            except KeyboardInterrupt:
                print()
