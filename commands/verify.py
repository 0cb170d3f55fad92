"""`selfcorrect verify`: find damaged files by their digests."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar

import tyro

from .command_line.help_page import HelpPage
from .command_line.inputs import must_exist


@dataclass(frozen=True)
class VerifyCommand:
    """Find damaged files in a run, in corrected motions or in shards, by the digests that were recorded with them.

    Changes nothing, and names files without a digest. Parts of a run that are missing or in the wrong folder count as
    damaged. `motion --repair` makes damaged generations again. `correct` corrects motions again after you have moved
    the damaged files away.

    Exit code 0: all files that have a digest are as they were written. 1: some are damaged.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect verify runs/motion-short": "Look for damaged files in a run.",
            "selfcorrect verify corrected --json": "Print the damaged files of a correction as JSON.",
        }
    )

    folder: tyro.conf.Positional[Path]
    """Run folder, output folder of `correct`, or set of shards."""
    json: bool = False
    """Print the result as JSON: files, counts by kind, damage, and files without a digest."""

    def run(self) -> int:
        """Print the damaged files and a summary, and return the exit code."""
        must_exist([self.folder])
        from .verification import verify

        verification = verify(self.folder)
        if self.json:
            print(json.dumps(asdict(verification), indent=1))
            return 1 if verification.damage else 0
        if verification.damage:
            print(*verification.damage, "", sep="\n")
        print(verification.summary)
        return 1 if verification.damage else 0
