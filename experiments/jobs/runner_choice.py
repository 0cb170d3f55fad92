"""Options that choose the runner of jobs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from tyro.conf import arg

from selfcorrect.runtime.processes import default_workers

from .run import RUNNERS, require_runner
from .where import Where

_RUNNER_HELP = f"What runs the jobs (default: processes). Results do not depend on it.\n{RUNNERS.describe_rows()}"


@dataclass(frozen=True, kw_only=True)
class RunnerChoice:
    """The runner of jobs and its options."""

    runner: Annotated[str, arg(help=_RUNNER_HELP)] = ""
    runner_options: Mapping[str, str] = field(default_factory=dict)
    """Names and values of runner options, such as partition main minutes 240 gpus 0.25. Resources of a job are
    cores, gpus and memory_gb."""

    def to_where(self, workers: int | None) -> Where:
        """Return the runner with its options and the number of workers.

        Args:
            workers: Number of workers on this machine; by default one per core.

        Raises:
            SettingError: The runner or an option is unknown.
        """
        count = default_workers() if workers is None else workers
        where = Where(count, self.runner, self.runner_options)
        require_runner(where)
        return where
