"""`selfcorrect verify`: compare the files in a folder of results with the digests recorded when they were written."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import tyro

from selfcorrect.storage.files.places import is_address

from .help_page import HelpPage
from .inputs import must_exist


@dataclass(frozen=True)
class VerifyCommand:
    """Compare the files of a run, of corrected motions or of shards with the digests recorded when they were made.

    Changes nothing, and names files without a digest. Exit code 0: all files that could be compared are as they were
    written. Exit code 1: some are damaged. `motion --repair` makes damaged generations again. `correct` makes motions
    again once you have moved the damaged files away.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect verify runs/motion-short": "Look for damaged files in a run.",
            "selfcorrect verify corrected --json": "Print the damaged files of a correction as JSON.",
        }
    )

    folder: tyro.conf.Positional[str]
    """Run folder, output folder of `correct`, or set of shards; shards also at an address such as
    s3://bucket/folder."""
    json: bool = False
    """Print the result as JSON: files, counts by kind, damage, and files without a digest."""

    def run(self) -> int:
        """Print a line for each damaged file, and a summary."""
        if not is_address(self.folder):
            must_exist([Path(self.folder)])
        from ..data.verification import verify

        verification = verify(self.folder)
        if self.json:
            print(json.dumps(asdict(verification), indent=1))
            return 1 if verification.damage else 0
        if verification.damage:
            print(*verification.damage, "", sep="\n")
        print(verification.summary)
        return 1 if verification.damage else 0
