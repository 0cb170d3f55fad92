"""Options of a comparison that `sc.compare` and `selfcorrect compare` share; importing them loads nothing else."""

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Direction: TypeAlias = Literal["lower", "higher", "real"] | float
"""Better direction of a quality; "real" if the value of real data is the aim, a number if that is the aim."""


@dataclass(frozen=True)
class SharedOptions:
    """Options of a comparison in Python, on the command line and in YAML files."""

    seeds: int = 5
    """Number of seeds. Every arm runs once per seed; arms of a seed share generation 0 and the random numbers."""
    first_seed: int = 0
    """First seed."""
    workers: int | None = None
    """Number of worker processes (default: one per core, as far as memory allows). Results do not depend on it."""
    better: dict[str, Direction] = field(default_factory=dict)
    """Better direction of each quality: lower, higher, real if the value of real data is the aim, or a number that is
    the aim. Only qualities named here are compared."""
    title: str = ""
    """Title of the report."""
    accept_changed: bool = False
    """Resume although code or data changed since the run began. The run folder records both versions."""
    primary: str = ""
    """The quality that decides, named before the run: its differences are a family of tests of their own."""
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Least and greatest value of each quality that has them, such as 0 and 1 of a share: intervals stay within."""
    gammas: tuple[float, ...] = ()
    """Strengths γ: each arm with a correction is run once with each. Results have them in `strength`."""
    copying: bool = False
    """Add the arm "copying": the first uncorrected loop on synthetic samples only, without a model. Training samples of
    the right label are drawn at random and copied, so that only neutral drift is left."""
    real_counts: tuple[int, ...] = ()
    """Numbers n of real training samples: each task is run once with each. Results have them in `real_count`."""
