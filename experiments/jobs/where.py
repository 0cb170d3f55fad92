"""Options for the machines on which jobs run; results do not depend on them."""

from dataclasses import dataclass, field

from selfcorrect.core.checks import check_count, check_number
from selfcorrect.core.errors import SettingError

MOST_GPUS = 1024
MOST_GB = 100_000


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster, and the resources of a job."""

    cluster: str = ""
    """Run on a Ray cluster: HOST:PORT of its head, or auto for the cluster of this machine. Needs the extra `ray`, the
    same software on every node, and the output folder at the same path on all of them (docs/scale.md)."""
    cpus_per_job: int = 1
    """Cores to reserve for a job, which corrects samples on all of them."""
    gpus_per_job: float = 0
    """GPUs to reserve for a job; 0.5 runs two jobs on a GPU."""
    memory_per_job: float | None = None
    """Memory to reserve for a job, GB (default: none)."""

    def __post_init__(self) -> None:
        check_count("cpus-per-job", self.cpus_per_job, 1)
        check_number("gpus-per-job", self.gpus_per_job, 0, MOST_GPUS)
        if self.gpus_per_job > 1 and self.gpus_per_job % 1:
            raise SettingError(f"gpus-per-job must be from 0 to 1, or a whole number, got {self.gpus_per_job:g}")
        if self.memory_per_job is not None:
            check_number("memory-per-job", self.memory_per_job, 0.001, MOST_GB)
        if not self.cluster and (self.cpus_per_job, self.gpus_per_job, self.memory_per_job) != (1, 0, None):
            raise SettingError("cpus-per-job, gpus-per-job and memory-per-job need --cluster")


NO_CLUSTER = Cluster()
"""Run on this machine."""


@dataclass(frozen=True)
class Where:
    """Place and number of workers for jobs."""

    workers: int = 1
    """Number of jobs that run at the same time on this machine."""
    runner: str = ""
    """A name in `jobs.RUNNERS`; by default ray if a cluster is named, else processes for several workers."""
    cluster: Cluster = field(default_factory=Cluster)
    """Cluster for the runner ray."""
    threads: int = 1
    """Cores of each worker, for work that gives the same bytes with any number of them."""
    modules: tuple[str, ...] = ()
    """Modules that jobs import once they run; a server of worker processes imports them once for all."""

    def __post_init__(self) -> None:
        check_count("workers", self.workers, 1)
        if self.cluster.cluster and self.runner not in ("", "ray"):
            raise SettingError(f"--cluster needs the runner ray, got {self.runner}")

    @property
    def chosen(self) -> str:
        """The name of the runner."""
        if self.cluster.cluster:
            return "ray"
        return self.runner or ("here" if self.workers == 1 else "processes")
