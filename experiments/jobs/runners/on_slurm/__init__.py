"""Jobs in Slurm."""

from ...runner_row import RunnerRow

SLURM = RunnerRow(
    "slurm",
    f"{__name__}.runner:run_on_slurm",
    "As jobs of Slurm; options partition, minutes, account, qos, constraint, parallel, cores, gpus, memory_gb.",
    needs="slurm",
    options=("partition", "minutes", "account", "qos", "constraint", "parallel"),
)
