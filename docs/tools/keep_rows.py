"""Keep the scores of finished loops as JSON lines, with commit, versions, machine and date.

    python docs/tools/keep_rows.py docs/results/transformer-loops.jsonl runs/transformer-200 runs/transformer-201

Generation 0 and the last one keep all scores, generations between them only how far samples were moved and how well the
network learned them. The evaluated samples of the last generation are drawn again to find the force that contacts
cannot explain. Rows of arms and seeds that the file already has are left as they are.
"""

import json
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import torch
import tyro

from selfcorrect.experiments.studies.arms import BASELINE
from selfcorrect.experiments.studies.motion.correctors.contact_forces import ForceModel
from selfcorrect.experiments.studies.motion.settings import settings_from_config
from selfcorrect.experiments.studies.motion.study import motion_runs
from selfcorrect.experiments.studies.motion.task import make_motion_task, trained_model
from selfcorrect.loop.run import Candidate
from selfcorrect.storage.files.digests import read_with_digest

SCORES = (
    *("energy_ankles", "fid_kinematic", "fid_geometric", "fid_ground", "penetration_mm", "float_mm", "skate_m_s"),
    *("slide_m_s", "jerk_m_s3", "precision", "recall", "coverage", "within_label_ratio", "novelty_of_samples"),
)
MOVES = (
    *("drawn_count", "rejected_count", "corrected_distance", "moved_mm", "moved_within_body_mm", "turned_deg"),
    *("training_loss", "loss_on_raw", "loss_on_corrected", "seconds_processor"),
)
SHARED = "real+none"
"""Arm whose row of generation 0 is kept for all arms, which share it."""


def main(
    kept: Annotated[Path, tyro.conf.Positional],
    folders: Annotated[list[Path], tyro.conf.Positional],
    whole: tuple[int, ...] = (),
) -> None:
    """Add the rows of run folders to a file of rows.

    Args:
        kept: The file.
        folders: The run folders.
        whole: Generations that keep all scores, too.
    """
    torch.set_num_threads(1)
    text = kept.read_text(encoding="utf-8") if kept.exists() else ""
    rows = [json.loads(line) for line in text.splitlines()]
    known = {(row["denoiser"], row["arm"], row["seed"]) for row in rows}
    for folder in folders:
        rows += [row for row in read_rows(folder, whole) if (row["denoiser"], row["arm"], row["seed"]) not in known]
    kept.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_rows(folder: Path, whole: Sequence[int] = ()) -> list[dict[str, object]]:
    """Return the rows of a finished run folder.

    Args:
        whole: Generations that keep all scores, beside generation 0 and the last one.
    """
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
    forces = measure_forces(folder)
    rows = []
    for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines():
        scores = json.loads(line)
        generation = scores["generation"]
        if generation == 0 and scores["arm"] != SHARED:
            continue
        keys = (*SCORES, *MOVES) if generation in (0, generations, *whole) else MOVES
        row = {key: scores[key] for key in ("denoiser", "arm", "seed", "generation")}
        row |= {key: float(f"{scores[key]:.6g}") for key in keys if scores.get(key) is not None}
        if generation in (0, generations):
            force = forces[scores["seed"], "" if generation == 0 else scores["arm"]]
            row |= {"unexplained_bodyweights": float(f"{force:.6g}"), "made": made}
        rows.append(row)
    return rows


def measure_forces(folder: Path) -> dict[tuple[int, str], float]:
    """Measure the force and weighted moment that contacts cannot explain, see `ContactWrench.unexplained`.

    Returns:
        Means over frames of the evaluated samples, by seed and arm; the arm of generation 0 is "".
    """
    settings = settings_from_config(read_with_digest(folder / "config.json"))
    forces = {}
    for run in motion_runs(settings, folder):
        task = make_motion_task(settings, run.task, run.stream)
        for arm in (None, *settings.arms[run.task]):
            kept = run.first() if arm is None else run.generations(arm)
            model = trained_model(task, arm or BASELINE, kept, kept.latest)
            stream = run.stream.child("generation", kept.latest, "evaluate")
            samples = Candidate(kept.latest, model, None, task.real, stream).samples(settings.evaluated_count)
            motions = task.codec.decode(samples.values)
            contacts = ForceModel.from_skeleton(motions.skeleton, settings.frames, motions.fps).find_contacts(motions)
            forces[run.seed, "" if arm is None else arm.key] = float(contacts.unexplained.mean())
    return forces


if __name__ == "__main__":
    tyro.cli(main)
