"""Place and number of workers for jobs; results do not depend on the place."""

from dataclasses import dataclass

from selfcorrect.core.checks import check_count


@dataclass(frozen=True)
class Where:
    """Place and number of workers for jobs."""

    workers: int = 1
    """Number of jobs that run at the same time on this machine."""
    runner: str = ""
    """A name in `jobs.RUNNERS`; by default processes for several workers."""
    threads: int = 1
    """Cores of each worker, for work that gives the same bytes with any number of cores."""
    modules: tuple[str, ...] = ()
    """Modules that running jobs import; a server of worker processes imports them once for all."""

    def __post_init__(self) -> None:
        check_count("workers", self.workers, 1)

    @property
    def chosen(self) -> str:
        """The name of the runner."""
        return self.runner or ("here" if self.workers == 1 else "processes")
