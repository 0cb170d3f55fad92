"""Keep the scores of finished loops as JSON lines, with commit, versions, machine and date.

    python docs/tools/keep_rows.py docs/results/transformer-loops.jsonl runs/transformer-200 runs/transformer-201

Generation 0 and the last one keep all scores, generations between them only how far samples were moved and how well the
network learned them. Rows of arms and seeds that the file already has are left as they are.
"""

import json
from datetime import date
from pathlib import Path
from typing import Annotated

import tyro

from selfcorrect.storage.files.digests import read_with_digest

SCORES = (
    *("energy_ankles", "fid_kinematic", "fid_geometric", "fid_ground", "penetration_mm", "float_mm", "skate_m_s"),
    *("slide_m_s", "jerk_m_s3", "precision", "recall", "coverage", "within_label_ratio", "novelty_of_samples"),
)
MOVES = (
    *("drawn_count", "rejected_count", "corrected_distance", "moved_mm", "moved_within_body_mm", "turned_deg"),
    *("training_loss", "loss_on_raw", "loss_on_corrected", "seconds_processor"),
)
BASELINE = "real+none"
"""Arm whose row of generation 0 is kept for all arms, which share it."""


def main(kept: Annotated[Path, tyro.conf.Positional], folders: Annotated[list[Path], tyro.conf.Positional]) -> None:
    """Add the rows of run folders to a file of rows."""
    text = kept.read_text(encoding="utf-8") if kept.exists() else ""
    rows = [json.loads(line) for line in text.splitlines()]
    known = {(row["denoiser"], row["arm"], row["seed"]) for row in rows}
    for folder in folders:
        rows += [row for row in read_rows(folder) if (row["denoiser"], row["arm"], row["seed"]) not in known]
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_rows(folder: Path) -> list[dict[str, object]]:
    """Return the rows of a finished run folder."""
    environment = read_with_digest(folder / "environment.json")
    machines = read_with_digest(folder / "machines.json")
    day = date.fromtimestamp((folder / "metrics.jsonl").stat().st_mtime)
    made = {
        "commit": environment["git_commit"][:8],
        "version": environment["packages"]["selfcorrect"],
        "torch": environment["packages"]["torch"],
        "pybullet": environment["packages"].get("pybullet", ""),
        "processor": ", ".join(sorted({part["processor"] for parts in machines.values() for part in parts})),
        "date": f"{day}",
    }
    generations = read_with_digest(folder / "config.json")["generations"]
    rows = []
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        scores = json.loads(line)
        generation = scores["generation"]
        if generation == 0 and scores["arm"] != BASELINE:
            continue
        keys = (*SCORES, *MOVES) if generation in (0, generations) else MOVES
        row = {key: scores[key] for key in ("denoiser", "arm", "seed", "generation")}
        row |= {key: float(f"{scores[key]:.6g}") for key in keys if scores.get(key) is not None}
        rows.append(row | ({"made": made} if generation in (0, generations) else {}))
    return rows


if __name__ == "__main__":
    tyro.cli(main)
