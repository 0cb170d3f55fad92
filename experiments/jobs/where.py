"""Options for the place where an experiment's jobs run; results do not depend on any of them."""

from dataclasses import dataclass, field

from selfcorrect.core.errors import SettingError

MOST_CPUS, MOST_GB = 1024, 100_000


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster, and what it sets aside for a job."""

    cluster: str = ""
    """Run on a Ray cluster: HOST:PORT of its head, or auto for the one that this machine belongs to. Needs the extra
    `ray`, the same software on every node, and the output folder at the same path of all (docs/scale.md)."""
    cpus_per_job: float = 1
    """Cores that the cluster sets aside for a job, which uses one thread: more only makes room for its memory."""
    gpus_per_job: float = 0
    """GPUs that the cluster sets aside for a job; 0.5 for two jobs on each."""
    memory_per_job: float | None = None
    """GB that the cluster sets aside for a job; without it, it counts none."""

    def __post_init__(self) -> None:
        if not 0 < self.cpus_per_job <= MOST_CPUS:
            raise SettingError(f"cpus-per-job must be above 0 and at most {MOST_CPUS}, got {self.cpus_per_job:g}")
        if not 0 <= self.gpus_per_job <= MOST_CPUS or (self.gpus_per_job > 1 and self.gpus_per_job % 1):
            raise SettingError(f"gpus-per-job must be from 0 to 1, or a whole number, got {self.gpus_per_job:g}")
        if self.memory_per_job is not None and not 0 < self.memory_per_job <= MOST_GB:
            raise SettingError(f"memory-per-job must be above 0 and at most {MOST_GB} GB, got {self.memory_per_job:g}")
        if not self.cluster and (self.cpus_per_job, self.gpus_per_job, self.memory_per_job) != (1, 0, None):
            raise SettingError("cpus-per-job, gpus-per-job and memory-per-job belong to --cluster, which is not given")


@dataclass(frozen=True)
class Where:
    """Place and number of workers for jobs."""

    workers: int = 1
    """Number of jobs that run at the same time on this machine."""
    runner: str = ""
    """A name in `jobs.RUNNERS`; by default ray where a cluster is named, else processes for more than one worker."""
    cluster: Cluster = field(default_factory=Cluster)
    """Cluster for the runner ray."""
    threads: int = 1
    """Threads of each worker, for work that gives the same bytes with any number of them."""

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise SettingError(f"workers must be at least 1, got {self.workers}")
        if self.cluster.cluster and self.runner not in ("", "ray"):
            raise SettingError(f"--cluster is for the runner ray, and the runner {self.runner} was asked for")

    @property
    def chosen(self) -> str:
        """The name of the runner."""
        if self.cluster.cluster:
            return "ray"
        return self.runner or ("here" if self.workers == 1 else "processes")
