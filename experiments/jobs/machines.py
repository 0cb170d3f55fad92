"""Record the processors and GPUs on which jobs ran, because simulated results differ between models."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from selfcorrect.runtime.machine import Machine
from selfcorrect.storage.files.digests import read_with_digest, write_with_digest

MACHINES_FILE = "machines.json"
"""File in a run folder with the machines on which each job has run."""


def record_machines(folder: Path, machines: Mapping[str, Machine]) -> None:
    """Record the machines of jobs in a run folder.

    Args:
        folder: Run folder.
        machines: Machine of each job that had something to do, by job name.
    """
    if not machines:
        return
    recorded = read_machines(folder)
    for job, machine in machines.items():
        recorded[job] = [*(other for other in recorded.get(job, ()) if other != machine), machine]
    values = {job: [asdict(machine) for machine in of_job] for job, of_job in sorted(recorded.items())}
    write_with_digest(folder / MACHINES_FILE, values)


def read_machines(folder: Path) -> dict[str, list[Machine]]:
    """Return the recorded machines of each job."""
    path = folder / MACHINES_FILE
    values = read_with_digest(path) if path.exists() else {}
    return {job: [Machine(**machine) for machine in of_job] for job, of_job in values.items()}


def count_machines(machines: Iterable[Machine]) -> dict[str, int]:
    """Count the jobs by machine, the most frequent one first."""
    counts = Counter(map(str, machines))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def describe_mixture(machines: Iterable[Machine]) -> str:
    """Describe on which machines jobs ran; "" if all have the same processor and GPU."""
    counts = count_machines(machines)
    if len(counts) < 2:
        return ""
    listed = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return f"Jobs ran on different machines, so simulated results may differ in the fifth digit: {listed}."
