"""`selfcorrect verify`: whether everything in a folder of results is still what was written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from selfcorrect.experiments.commands.inputs import must_exist


@dataclass(frozen=True)
class VerifyCommand:
    """Compare the files of a run, of corrected motions or of shards with the digests recorded when they were made.

    Nothing is changed. Exit code 0: all are what was written; 1: some are not. `motion --repair` does damaged
    generations again; `correct` does damaged motions again without being told.
    """

    folder: tyro.conf.Positional[Path]
    """Run folder, output folder of `correct`, or shards."""

    def run(self) -> int:
        """Print a line per damaged file, and how many were looked at."""
        must_exist([self.folder])
        from selfcorrect.experiments.verification import verify

        found = verify(self.folder)
        print(*found.damage, *([""] if found.damage else []), found.summary, sep="\n")
        return 1 if found.damage else 0
