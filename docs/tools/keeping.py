"""Join the summaries of finished runs; the command leaves out options that change no result."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from selfcorrect.experiments.studies.summary import Summary, join_summaries

SUMMARIES = Path(__file__).resolve().parents[1] / "results"
FREE = ("--out", "--workers", "--keep", "--wandb", "--runner")
"""Options, each with a value, that change no result."""
SEEDS = ("--seeds", "--first-seed")


def join_runs(runs: Sequence[Summary]) -> Summary:
    """Return a summary of all runs, whose command leaves out options that change no result, such as the folder."""
    summary = join_summaries(runs)
    command = without_free_options(summary.command)
    if len(runs) == 1:
        return replace(summary, command=command)
    seeds = f"--seeds {summary.seeds}" + (f" --first-seed {summary.first_seed}" if summary.first_seed else "")
    return replace(summary, command=f"{_remove_options(command, SEEDS)} {seeds}")


def without_free_options(command: str) -> str:
    """Return a command without the options that change no result."""
    return _remove_options(command, FREE)


def _remove_options(command: str, options: Sequence[str]) -> str:
    words = shlex.split(command)
    remaining = []
    while words:
        word = words.pop(0)
        if word in options:
            words.pop(0)
        else:
            remaining.append(word)
    return shlex.join(remaining)
