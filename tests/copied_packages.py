"""A copy of the packages, from which files and folders can be deleted."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
ABOVE = ("simulators", "datasets", "experiments", "commands")
"""Folders of the repository that are packages within `selfcorrect`."""
COMMAND = "import sys; from selfcorrect.commands.cli import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True)
class CopiedPackages:
    """A copy of the packages in a folder, with which commands run."""

    site: Path

    @classmethod
    def make(cls, folder: Path) -> "CopiedPackages":
        site = folder / "site" / "selfcorrect"
        without_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / "selfcorrect", site, ignore=without_caches)
        for package in ABOVE:
            shutil.copytree(REPOSITORY / package, site / package, ignore=without_caches)
        return cls(site)

    def delete(self, *paths: Path) -> None:
        """Delete files and folders, given as in the repository."""
        for path in paths:
            copy = self.site / path.relative_to(REPOSITORY).as_posix().removeprefix("selfcorrect/")
            if copy.is_dir():
                shutil.rmtree(copy)
            else:
                copy.unlink()

    def run(self, *arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
        """Run the command of the copy in a folder."""
        return subprocess.run(
            [sys.executable, "-c", COMMAND, *arguments],
            cwd=folder,
            env={"PYTHONPATH": str(self.site.parent), "PATH": ""},
            capture_output=True,
            text=True,
            check=False,
        )
