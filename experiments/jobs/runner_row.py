"""What the table of runners says about each runner."""

from dataclasses import dataclass

from selfcorrect.runtime.registry import Row


@dataclass(frozen=True)
class RunnerRow(Row):
    """A row of the table of runners."""

    is_local: bool = False
    """True if the runner runs as many jobs at the same time as there are workers, so that no more are started."""
    options: tuple[str, ...] | None = None
    """Options of the runner in addition to `Resources`; None for any."""
