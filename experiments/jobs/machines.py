"""Processors and GPUs of a run's jobs, because simulated results differ between models."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path

from selfcorrect.runtime.machine import Machine
from selfcorrect.storage.files.digests import read_with_digest, write_with_digest

MACHINES_FILE = "machines.json"
"""File of a run folder with the machines on which each job has worked."""


def record_machines(folder: Path, machines: Mapping[str, Machine]) -> None:
    """Record the machines of jobs in a run folder.

    Args:
        machines: Machine by the job's name, of jobs that had something to do.
    """
    if not machines:
        return
    recorded = read_machines(folder)
    for job, machine in machines.items():
        recorded[job] = [*(other for other in recorded.get(job, ()) if other != machine), machine]
    values = {job: [asdict(machine) for machine in of_job] for job, of_job in sorted(recorded.items())}
    write_with_digest(folder / MACHINES_FILE, values)


def read_machines(folder: Path) -> dict[str, list[Machine]]:
    """Return the machines of each job, {} without a record."""
    path = folder / MACHINES_FILE
    values = read_with_digest(path) if path.exists() else {}
    return {job: [Machine(**machine) for machine in of_job] for job, of_job in values.items()}


def count_machines(machines: Iterable[Machine]) -> dict[str, int]:
    """Return the number of jobs by machine, most first."""
    counts = Counter(map(str, machines))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def describe_mixture(machines: Iterable[Machine]) -> str:
    """Return a sentence on jobs of different machines; "" if all ran on the same processor and GPU."""
    counts = count_machines(machines)
    if len(counts) < 2:
        return ""
    listed = ", ".join(f"{name} ({count})" for name, count in counts.items())
    return f"Jobs ran on different machines, so simulated results may differ in the fifth digit: {listed}."
