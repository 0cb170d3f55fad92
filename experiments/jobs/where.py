"""Describe where jobs run and which resources each needs.

Results do not depend on either.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import SettingError

GB = 10**9


@dataclass(frozen=True)
class Resources:
    """Resources that must be free for a runner to start a job."""

    cores: int = 1
    """Number of cores."""
    gpus: float = 0.0
    """Number of GPUs. A fraction such as 0.25 lets several jobs share one."""
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
        """Return the resources, changed by the options of a runner. Other options are ignored.

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
"""Options of all runners that run jobs on other machines."""


@dataclass(frozen=True)
class Where:
    """The runner of jobs, its options, and the number of workers."""

    workers: int = 1
    """Number of jobs that run at the same time on this machine."""
    runner: str = ""
    """Name of a runner in `jobs.RUNNERS`; by default processes if there are several workers."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Options of the runner by name, such as Slurm's partition, and of the jobs' `Resources`."""
    threads: int = 1
    """Number of cores per worker, for work whose result does not depend on it."""
    modules: tuple[str, ...] = ()
    """Modules that jobs import. A server of worker processes imports them once for all."""

    def __post_init__(self) -> None:
        check_count("workers", self.workers, 1)

    @property
    def chosen(self) -> str:
        """Name of the runner."""
        return self.runner or ("here" if self.workers == 1 else "processes")
