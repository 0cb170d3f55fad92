"""`selfcorrect verify`: whether everything in a folder of results is still what was written."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from selfcorrect.storage.files.places import is_address

from .inputs import must_exist


@dataclass(frozen=True)
class VerifyCommand:
    """Compare the files of a run, of corrected motions or of shards with the digests recorded when they were made.

    Nothing is changed. Files without a digest are named. Exit code 0: all that were looked at are what was written.
    Exit code 1: some are not. `motion --repair` does damaged generations again. `correct` does motions again once you
    have moved the damaged ones away.
    """

    folder: tyro.conf.Positional[str]
    """Run folder, output folder of `correct`, or shards, the last also at an address such as s3://bucket/folder."""

    def run(self) -> int:
        """Print a line per damaged file, how many were looked at, and which could not be."""
        if not is_address(self.folder):
            must_exist([Path(self.folder)])
        from ..data.verification import verify

        verification = verify(self.folder)
        print(*verification.damage, *([""] if verification.damage else []), verification.summary, sep="\n")
        return 1 if verification.damage else 0
