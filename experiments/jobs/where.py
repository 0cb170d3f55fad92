"""Where jobs run, and what each asks for; results do not depend on the place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import SettingError

GB = 10**9


@dataclass(frozen=True)
class Resources:
    """What a job asks for; a runner starts the job where that much is free."""

    cores: int = 1
    """Cores."""
    gpus: float = 0.0
    """GPUs; a fraction such as 0.25 lets several jobs share one."""
    memory_gb: float = 1.0
    """Main memory, in GB."""

    def __post_init__(self) -> None:
        check_count("cores", self.cores, 1, 10_000)
        if not (0 <= self.gpus <= 1 or (self.gpus == int(self.gpus) and self.gpus <= 1000)):
            raise SettingError(f"gpus must be a share from 0 to 1 or a whole number, got {self.gpus:g}")
        if not 0 < self.memory_gb <= 100_000:
            raise SettingError(f"memory_gb must be positive, got {self.memory_gb:g}")

    def __str__(self) -> str:
        cores = f"{self.cores} core{'s' * (self.cores != 1)}"
        gpus = f", {self.gpus:g} GPU{'s' * (self.gpus > 1)}" if self.gpus else ""
        return f"{cores}{gpus}, {self.memory_gb:g} GB"

    def change(self, options: Mapping[str, str]) -> Resources:
        """Return resources with those of a runner's options.

        Other options are left out of account.

        Raises:
            SettingError: A value is not a number of the right size.
        """
        kinds = {"cores": int, "gpus": float, "memory_gb": float}
        changes = {}
        for name, kind in kinds.items():
            if name in options:
                try:
                    changes[name] = kind(options[name])
                except ValueError:
                    expected = "a whole number" if kind is int else "a number"
                    raise SettingError(f"runner option {name} must be {expected}, got {options[name]!r}") from None
        return replace(self, **changes)


ONE_CORE = Resources()
RESOURCE_OPTIONS = {resource.name for resource in fields(Resources)}
"""Options of every runner that runs jobs elsewhere."""


@dataclass(frozen=True)
class Where:
    """The runner of jobs, its options, and the workers."""

    workers: int = 1
    """Number of jobs that run at the same time on this machine."""
    runner: str = ""
    """A name in `jobs.RUNNERS`; by default processes for several workers."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the runner by name, such as the partition of Slurm; also what each job asks for (`Resources`)."""
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
