"""What is kept of finished runs: one summary, whose command leaves out what changes no result."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from selfcorrect.experiments.reporting.summary import Summary, join_summaries

SUMMARIES = Path(__file__).resolve().parents[1] / "results"
FREE = ("--out", "--workers", "--keep", "--wandb", "--runner")
"""Options, each with a value, that change no result."""
SEEDS = ("--seeds", "--first-seed")


def kept(runs: Sequence[Summary]) -> Summary:
    """A summary of all runs to keep: its command without what changes no result, such as where the run was."""
    summary = join_summaries(runs)
    command = without_free_options(summary.command)
    if len(runs) == 1:
        return replace(summary, command=command)
    seeds = f"--seeds {summary.seeds}" + (f" --first-seed {summary.first_seed}" if summary.first_seed else "")
    return replace(summary, command=f"{_without(command, SEEDS)} {seeds}")


def without_free_options(command: str) -> str:
    """Return a command without the options that change no result."""
    return _without(command, FREE)


def _without(command: str, options: Sequence[str]) -> str:
    words, remaining = shlex.split(command), []
    while words:
        word = words.pop(0)
        if word in options:
            words.pop(0)
        else:
            remaining.append(word)
    return shlex.join(remaining)
