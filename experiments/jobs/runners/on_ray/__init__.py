"""Jobs on a Ray cluster."""

from ...runner_row import RunnerRow

RAY = RunnerRow(
    "ray",
    f"{__name__}.runner:run_on_ray",
    "On a Ray cluster; options address, autoscaling, modules, cores, gpus, memory_gb.",
    needs="ray",
    options=("address", "autoscaling", "modules"),
)
