"""The declaration of a toy loop: what to run, what is claimed of the curves, and which quantities to show.

A `Toy` has bundles of arms, claims (`sc.claims`) and columns. `bundle_seeds` runs arms once for each seed,
`bundle_replicates` once for models that hold all seeds. Tables, panels, pictures and profiles are derived.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from torch import Tensor

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.loop.run import Arm, Task

from ..claims import Curves, Quantity, Statement
from ..drawables import Drawable

START = "generation 0"
"""In the place of an arm, the generation that the arms share."""
Arms: TypeAlias = Mapping[str, "Arm | tuple[Task, Arm]"]
"""Arms by name, some with a separate task."""
DrawSamples: TypeAlias = Callable[[GenerativeModel, Stream], Tensor]
"""Draws images (N, height, width) or points (N, 2) of a generation."""
ArmTitles: TypeAlias = Mapping[str, str] | Sequence[str]
"""Names of arms, or title → name."""


@dataclass(frozen=True)
class Setup:
    """The start of a seed: a task and arms."""

    task: Task
    arms: Arms
    floors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Measures of samples that no loop made, by name; shown as arms that stay the same."""


@dataclass(frozen=True)
class Bundle:
    """Arms that share generation 0, run once for each stream; seeds of bundles with the same arms add up."""

    setup: Callable[[Stream], Setup]
    streams: Sequence[Stream]
    show: DrawSamples | None = None
    """Draws something of each generation to look at, in the first seed."""


def bundle_replicates(name: str, seed: int, setup: Callable[[Stream], Setup]) -> Bundle:
    """Return arms whose models have the seeds as replicates, and are run once."""
    return Bundle(setup, [streams(seed).child(name)])


@dataclass(frozen=True, kw_only=True)
class ToySettings:
    """Settings that all toys have; arms are run for `seeds` seeds, from `seed` on."""

    seeds: int = 30
    seed: int = 0


def bundle_seeds(
    settings: ToySettings, setup: Callable[[Stream], Setup], *path: str, show: DrawSamples | None = None
) -> Bundle:
    """Return arms that are run once for each seed.

    Args:
        settings: Number of seeds, and the first one.
        setup: Makes task and arms from the stream of a seed.
        path: Names below the root of each seed's stream, by default none.
        show: Draws something of each generation to look at, in the first seed.
    """
    seeds = range(settings.seed, settings.seed + settings.seeds)
    return Bundle(setup, [streams(seed).child(*path) for seed in seeds], show)


@dataclass(frozen=True)
class Column:
    """A quantity as shown in table and panels."""

    key: str
    title: str
    form: str | Callable[[np.ndarray], str] = ".2f"
    """Format of the mean at the last generation in the table, or a function of curves (S, T + 1) that makes the cell;
    "" for no column in the table."""
    panel: bool = True
    log: bool = False
    predicted: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Arm → prediction (T + 1,). A name that is no arm is a separate line."""
    predicted_by: str = ""
    """Key of the curves that hold the prediction, the mean over seeds, if each seed has a separate prediction."""
    predicted_title: str = ""
    """Title of a column of the table with the predictions at the last generation, "" for none."""

    def format_cell(self, table: Mapping[str, np.ndarray], generation: int = -1) -> str:
        """Format the cell of an arm, "" if it lacks the quantity.

        Args:
            table: Quantity → (S, T + 1).
            generation: The last generation that counts, −1 for all.
        """
        if self.key not in table:
            return ""
        curve = table[self.key] if generation < 0 else table[self.key][:, : generation + 1]
        return self.form(curve) if callable(self.form) else format(curve[:, -1].mean(), self.form)


@dataclass(frozen=True)
class Sweep:
    """A quantity against a setting."""

    title: str
    x_label: str
    y_label: str
    x: Sequence[float] | np.ndarray
    lines: Mapping[str, Sequence[Quantity]]
    """A quantity for each x."""
    predicted: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Line → prediction (X,). A name that is no line is a separate line."""
    log: bool = False


@dataclass(frozen=True)
class Toy:
    """A toy loop for given settings."""

    bundles: Sequence[Bundle]
    claims: Sequence[Statement]
    columns: Sequence[Column] = ()
    rows: ArmTitles | None = None
    """Arms of the table (default: all), where `START` is the shared generation 0."""
    groups: Mapping[str, ArmTitles] | Sequence[str] | None = None
    """Arms that share a panel, by group. A name alone has the arms "group, title". A table of a single column has a row
    for each group then."""
    figures: Sequence[Sweep | Callable[[Curves], Drawable]] = ()
    """Figures before the panels."""
    risk: str = ""
    """Key of the curves that are the risk of `selfcorrect.statistics.collapse_profile`; the remaining curves are named
    by the toy. No profile without it."""
    profiled: Sequence[str] | None = None
    """Arms with a profile in the report, all by default."""
    sizes: Mapping[int, str] = field(default_factory=dict)
    """Size of the training set → what is added to the name of an arm that is run with that size."""
    title: str = ""
    """Title of the loop in the report, by default the name of the file."""
    source: str = ""
    """The papers that the loop is taken from."""
    notes: Sequence[str] = ()
    caveat: str = ""
    """An assumption of the predictions that the run does not fully meet; written into the panels."""
