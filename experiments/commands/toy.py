"""`selfcorrect toy NAME|all`: run published loops at toy scale and write the gallery."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from selfcorrect.runtime.processes import default_workers

from ..jobs.targets import place_of
from ..jobs.where import Cluster, Where
from ..toy.table import TOYS, chosen, left_out
from .inputs import must_exist


@dataclass(frozen=True)
class ToyCommand:
    """Run published self-consuming loops at toy scale and compare them with their closed forms."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = field(default=("all",))
    """Names of loops, or "all"; "list" prints what there is."""
    out: Path = Path("runs/toy")
    """Folder for gallery.html and results.json."""
    quick: bool = False
    """Small versions: seconds each, wider intervals."""
    seed: int | None = None
    """Another root seed than the presets' own."""
    text: Path | None = None
    """A plain-text file for the language loop, instead of the standard library's documentation."""
    mnist: Path | None = None
    """A folder with MNIST's idx files for the digits loop, instead of scikit-learn's bundled 8×8 digits."""

    workers: int | None = None
    """Processes that share the loops; by default one per core, as far as memory allows. Results do not depend on their
    number."""
    where: Annotated[Cluster, tyro.conf.arg(name="")] = field(default_factory=Cluster)

    def run(self) -> None:
        """Run the chosen loops, print one line each, and write the gallery."""
        must_exist((self.text, self.mnist))
        if self.names == ("list",):
            print(*(f"{row.name:18} {row.summary} ({row.source})" for row in TOYS), sep="\n")
            return
        names = chosen(self.names)
        for sentence in left_out(self.names):
            print(f"selfcorrect: {sentence}", file=sys.stderr)
        where = Where(self.workers if self.workers is not None else default_workers(), cluster=self.where)
        from ..toy.loops import run_loops

        run_loops(names, place_of(self.out), where, quick=self.quick, seed=self.seed, text=self.text, mnist=self.mnist)
