"""Score samplers on the same weights of generation 0, for the table of docs/results/index.md.

    python docs/tools/samplers.py ROWS.jsonl   # adds the rows that the file lacks; SELFCORRECT_SHARED has the CMU set

A row is a network, a seed and a sampler: means over four draws of a sample for each training label.

The script is frozen: it ran as docs/tools/samplers.py at commit 9fcfb80c, where its imports resolve.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import tyro
from split_tables import COLUMNS, NETWORKS, NetworkRows

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.experiments.motion.presets import PRESETS
from selfcorrect.experiments.motion.task import MotionTask, Sharing, make_motion_task
from selfcorrect.loop.ancestry import nearest_of_label, offspring_variance
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.statistics.spread import within_label_ratio

DRAWS = 4
SOURCES = {"deepmimic": {}, "cmu": {"data": ("cmu-bvh#train",), "reference": ("cmu-bvh#test",)}}
"""Data in words → settings of the preset `short` that differ."""


def read_sampler(name: str) -> dict[str, Any]:
    """Return the settings of sampling behind a name such as "ddim 20 eta 1"."""
    sampler, steps, *eta = name.split()
    return {"sampler": sampler, "sampling_steps": int(steps), "eta": float(eta[1]) if eta else 0.0}


def score_sampler(model: MotionDiffusion, task: MotionTask, stream: Stream) -> dict[str, float]:
    """Return what a sampler keeps and how its samples score, means over the draws."""
    space = task.space
    assert space is not None
    labels = task.real.labels.numpy()
    real = space(task.real.values)
    draws = []
    for draw in range(DRAWS):
        values = model.sample(task.real.labels, stream.child("own", draw))
        vectors = space(values)
        parents, _ = nearest_of_label(vectors, labels, real, labels)
        scores = task.evaluator.evaluate(task.codec.decode(values), labels)
        scores["offspring_variance"] = offspring_variance(parents, len(real))
        scores["within_train"] = within_label_ratio(real, labels, vectors, labels)
        draws.append(scores)
    kept = {f"kept_{variance:g}": model.variance_kept(variance) for variance in (1.0, 0.1)}
    return kept | {key: float(np.mean([scores[key] for scores in draws])) for key in COLUMNS if key not in kept}


def score_network(network: NetworkRows, seed: int, samplers: list[str]) -> Iterator[dict[str, Any]]:
    """Train generation 0 and yield a row for each sampler."""
    settings = replace(PRESETS["short"], **SOURCES[network.data])
    stream = streams(seed)
    task = make_motion_task(settings, network.denoiser, stream, Sharing(device="cpu"))
    assert isinstance(task.model, MotionDiffusion)
    untrained = replace(task.model, config=replace(task.model.config, diffusion_steps=network.levels))
    model = untrained.fit(task.real, task.initial_steps, stream.child("generation", 0, "train"))
    for sampler in samplers:
        drawing = model.with_sampling(**read_sampler(sampler), guidance_scale=network.guidance)
        scores = score_sampler(drawing, task, stream)
        yield {
            "job": "gen0",
            "data": network.data,
            "denoiser": network.denoiser,
            "seed": seed,
            "guidance": network.guidance,
            "levels": network.levels,
            "sampler": sampler,
            **{key: float(f"{value:.5g}") for key, value in scores.items()},
        }


def main(rows: Annotated[Path, tyro.conf.Positional]) -> None:
    """Add the rows of its table that a file lacks."""
    torch.set_num_threads(1)
    kept = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()] if rows.exists() else []
    for seed in range(max(network.seeds for network in NETWORKS)):
        for network in NETWORKS:
            done = {
                row["sampler"]
                for row in kept
                if row["job"] == "gen0" and row["seed"] == seed and network.has_drawn(row)
            }
            missing = [sampler for sampler in network.samplers if sampler not in done]
            for row in score_network(network, seed, missing) if missing and seed < network.seeds else ():
                with rows.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    tyro.cli(main)
