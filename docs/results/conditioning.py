"""Run the experiment of index.md, whose plan is conditioning-plan.txt, and make its table and figure.

    python docs/tools/conditioning.py run FOLDER CMU --minutes 60   # resumes; CMU is the folder of the CMU set
    python docs/tools/conditioning.py collect FOLDER                # writes docs/results/conditioning.csv

A job is a loop of one seed. Its scores are a file of FOLDER; generation 0 is kept beside them and shared by all jobs
of a seed and a conditioning. A job that a kill interrupts is done again, from the same random numbers.

The script is frozen: it ran as docs/tools/conditioning.py at commit cb523ba8, where its imports resolve.
"""

import csv
import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, astuple, dataclass, fields, replace
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import tyro
from safetensors.torch import load, save
from torch import Tensor

from selfcorrect import MemoryStore
from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.correctors.anchors import temporal_frequencies
from selfcorrect.correctors.loop_correction import Correction
from selfcorrect.experiments.motion.correctors.own import CorrectorInputs, build_corrector
from selfcorrect.experiments.motion.presets import PRESETS
from selfcorrect.experiments.motion.study import finish_children
from selfcorrect.experiments.motion.task import MotionData, MotionParts, MotionTask, Sharing, load_parts
from selfcorrect.loop.ancestry import nearest_of_label, novelty
from selfcorrect.loop.bias import best_of, sample_plainly
from selfcorrect.loop.policy import parse_policy
from selfcorrect.loop.run import Arm, Candidate, run_loop, train_first_generation
from selfcorrect.models.resampling import Copying
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.remedies.remedies import RemedyInputs, with_remedy
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.files.writing import write_atomically
from selfcorrect.storage.runs.protocol import Generation

RESULTS = Path(__file__).resolve().parents[1] / "results" / "conditioning.csv"
COUNT = 128
"""Training windows, and samples that are evaluated in each generation."""
LABELS = (1, 4, 14, 57, COUNT)
SEEDS = range(60, 65)
"""Seeds that no earlier experiment uses."""
DATA = ("built-in", "cmu")
DENOISER = "small-dct-mlp"
SAMPLERS = {"calibrated": {"sampler": "multistep", "eta": 0.0}, "ancestral": {"sampler": "ddim", "eta": 1.0}}
EVALUATIONS = 20
"""Network evaluations per sample."""


@dataclass(frozen=True)
class Job:
    """A loop of one seed; policy "first" scores generation 0 and real data."""

    data: str
    seed: int
    labels: int
    policy: str
    treatment: str = "none"
    sampler: str = "calibrated"


def list_jobs() -> list[Job]:
    """Return all loops of the plan, the most important first."""
    blocks: list[list[Job]] = []

    def add(labels: tuple[int, ...], *arms: tuple[str, ...]) -> None:
        for arm in arms:
            blocks.append([Job(data, seed, count, *arm) for seed in SEEDS for data in DATA for count in labels])

    corrected = ("physics", "best-of-4", "matched")
    ends = (1, 14, COUNT)
    add(LABELS, ("replace",), ("real",), ("augment:1",), ("replace", "none", "copies"))
    add(ends, *(("replace", treatment) for treatment in corrected))
    add(LABELS, ("replace", "none", "ancestral"))
    add((14, COUNT), *(("augment:1", treatment) for treatment in corrected))
    add((4, 57), *(("replace", treatment) for treatment in corrected))
    return [job for block in blocks for job in block]


# --- conditioning ---


def relabel(labels: np.ndarray, vectors: np.ndarray, count: int) -> np.ndarray:
    """Return `count` labels (N,) that are nested in given ones, or in which given ones are nested.

    The smallest label is merged with the label of the nearest mean. The largest is split at the median of its first
    principal component.

    Args:
        labels: (N,) given labels.
        vectors: (N, D) of the same windows.
    """
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    while len(groups) > count:
        smallest = groups.pop(int(np.argmin([len(group) for group in groups])))
        distances = [np.linalg.norm(vectors[group].mean(0) - vectors[smallest].mean(0)) for group in groups]
        nearest = int(np.argmin(distances))
        groups[nearest] = np.concatenate([groups[nearest], smallest])
    while len(groups) < count:
        largest = groups.pop(int(np.argmax([len(group) for group in groups])))
        centred = vectors[largest] - vectors[largest].mean(0)
        axis = np.linalg.svd(centred, full_matrices=False)[2][0]
        order = largest[np.argsort(centred @ axis, kind="stable")]
        groups += [order[: len(order) // 2], order[len(order) // 2 :]]
    fresh = np.empty(len(labels), dtype=np.int64)
    for number, group in enumerate(groups):
        fresh[group] = number
    return fresh


@cache
def load_data(cmu: Path, data: str, seed: int) -> MotionData:
    """Return the windows of a seed, once in a process."""
    sources = {"cmu": {"data": (f"{cmu}#train",), "reference": (f"{cmu}#test",)}}.get(data, {})
    return load_parts(replace(PRESETS["short"], **sources), streams(seed)).data


@lru_cache(maxsize=1)
def make_task(cmu: Path, data: str, seed: int, labels: int) -> tuple[MotionTask, np.ndarray]:
    """Return the task of a seed and a conditioning, and the labels (N,) that its training windows have in the data."""
    windows = load_data(cmu, data, seed)
    parts = MotionParts(PRESETS["short"], windows)
    training = windows.training
    own_labels = training.labels
    conditioned = relabel(own_labels, parts.evaluator.geometric(training.batch), labels)
    relabelled = replace(training, labels=conditioned, label_names=tuple(map(str, range(labels))))
    task = MotionParts(parts.settings, replace(windows, training=relabelled)).make_task(DENOISER, Sharing("cpu"))

    def evaluate(candidate: Candidate) -> dict[str, float]:
        batch = task.codec.decode(candidate.samples(COUNT).values)
        return score_samples(task.evaluator, training.batch, own_labels, batch)

    return replace(task, evaluate=evaluate), own_labels


def score_samples(
    evaluator: MotionEvaluator, training: MotionBatch, labels: np.ndarray, batch: MotionBatch
) -> dict[str, float]:
    """Score motions without their labels: each has the data's label of the nearest training window."""
    vectors = evaluator.geometric(batch)
    training_vectors = evaluator.geometric(training)
    same = np.zeros(len(vectors), dtype=int), np.zeros(len(labels), dtype=int)
    rows, _ = nearest_of_label(vectors, same[0], training_vectors, same[1])
    try:
        scores = evaluator.evaluate(batch, labels[rows])
    except InputError:  # no label of the reference has two samples: scored as if all samples had one label
        reference = replace(evaluator.reference, labels=np.zeros_like(evaluator.reference.labels))
        scores = replace(evaluator, reference=reference).evaluate(batch, same[0]) | {"within_label_ratio": 0.0}
    return {
        **scores,
        "novelty": novelty(vectors, same[0], training_vectors, same[1]),
        "occupied": len(np.unique(rows)) / len(labels),
    }


# --- loops ---


def first_generation(folder: Path, task: MotionTask, name: str, stream: Stream) -> dict[str, Tensor]:
    """Return the trained state of generation 0, which is kept in `folder`."""
    path = folder / f"{name}.safetensors"
    if not path.exists():
        store = MemoryStore()
        train_first_generation(replace(task, evaluate=lambda candidate: {}), store, stream)
        write_atomically(path, save(dict(store.state(0))))
    return load(path.read_bytes())


def rate_physics(codec: FeatureCodec, real: MotionBatch, values: Tensor) -> Tensor:
    """Score samples (N, T, D) by penetration, floating and skating, each over its mean in the training windows."""
    total = np.zeros(len(values))
    errors, usual = physical_errors(codec.decode(values)), physical_errors(real)
    for name in ("penetration_m", "floating_m", "skate_m_s"):
        total -= getattr(errors, name) / max(getattr(usual, name).mean(), 1e-9)
    return torch.from_numpy(total)


def run_job(folder: Path, cmu: Path, job: Job, generations: int) -> list[dict[str, Any]]:
    """Return the scores of a loop, a row per generation."""
    torch.set_num_threads(1)
    task, own_labels = make_task(cmu, job.data, job.seed, job.labels)
    stream = streams(job.seed)
    training = task.codec.decode(task.real.values)
    if job.sampler == "copies":
        task = replace(task, model=Copying(task.real))
        state = task.model.state()
    else:
        config = replace(task.model.config, sampling_steps=EVALUATIONS, **SAMPLERS[job.sampler])  # type: ignore[attr-defined]
        task = replace(task, model=replace(task.model, config=config))  # type: ignore[type-var]
        state = first_generation(folder, task, f"{job.data}-{job.seed}-{job.labels}", stream)
    first_model = task.model.load_state(state)
    first = MemoryStore()
    first.commit(Generation(0, state, None, {}, {}))
    scores = dict(task.evaluate(Candidate(0, first_model, None, task.real, stream.child("generation", 0, "evaluate"))))
    rows = [{"generation": 0, **scores}]
    if job.policy == "first":
        real = {"fresh real": task.data.fresh.batch, "memoriser": training}
        for name, batch in real.items():
            scores = score_samples(task.evaluator, training, own_labels, batch)
            rows.append({"generation": 0, "treatment": name, **scores})
        return rows
    correction = None
    if job.treatment == "physics":
        inputs = CorrectorInputs(task.codec, task.real, first_model, stream.child("corrector"), silent, engine="mujoco")
        corrector = build_corrector("physics", inputs)
        assert corrector, "only `none` has no corrector"
        correction = Correction(corrector, math.inf)
    rater = partial(rate_physics, task.codec, training)
    bias = best_of(4, rater) if job.treatment == "best-of-4" else sample_plainly
    steps = PRESETS["short"].steps[DENOISER]
    arm = Arm(parse_policy(job.policy), generations, steps, correction=correction, bias=bias)
    loop_task = task
    if job.treatment == "matched":
        inputs = RemedyInputs(embed=temporal_frequencies, finish=partial(finish_children, task.codec))
        loop_task, arm = with_remedy(task, arm, "matched", inputs)
    store = MemoryStore()
    run_loop(loop_task, arm, store, first, stream)
    return rows + [{"generation": number, **store.metrics(number)} for number in range(1, generations + 1)]


# --- running and collecting ---


def run(
    folder: Path, cmu: Path, /, minutes: float = 60.0, workers: int = os.cpu_count() or 1, generations: int = 10
) -> None:
    """Run the jobs that are not finished, in order, and begin none after `minutes`."""
    end_s = time.time() + 60 * minutes
    folder.mkdir(parents=True, exist_ok=True)
    for seed in SEEDS:  # so that forked workers have the CMU set, which is read once
        load_data(cmu, "cmu", seed)
    first_jobs = [Job(data, seed, labels, "first") for data in DATA for seed in SEEDS for labels in LABELS]
    with ProcessPoolExecutor(workers) as pool:
        for jobs in (first_jobs, list_jobs()):
            list(pool.map(partial(finish_job, folder, cmu, generations, end_s), jobs))


def finish_job(folder: Path, cmu: Path, generations: int, end_s: float, job: Job) -> None:
    """Write the scores of a job into `folder`, unless they are there or the time is over."""
    path = folder / f"{'-'.join(map(str, astuple(job))).replace(':', '-')}.json"
    if path.exists() or time.time() > end_s:
        return
    rows = [_round(row) for row in run_job(folder, cmu, job, generations)]
    write_atomically(path, json.dumps({"job": asdict(job), "rows": rows}))
    print("finished:", *astuple(job), flush=True)


def read_rows(folder: Path) -> Iterator[tuple[Job, list[dict[str, Any]]]]:
    """Yield the finished jobs."""
    for path in folder.glob("*.json"):
        record = json.loads(path.read_text())
        yield Job(**record["job"]), record["rows"]


KEPT = (
    "coverage", "recall", "precision", "within_label_ratio", "trace_ratio", "fid_kinematic", "fid_geometric",
    "novelty", "occupied", "surviving_lineages", "offspring_variance", "penetration_mm", "skate_m_s", "jerk_m_s3",
)  # fmt: skip
"""Columns of the committed table."""


def collect(folder: Path, /) -> None:
    """Write the scores of the loops that all seeds have finished."""
    finished = dict(read_rows(folder))
    lines: list[list[Any]] = []
    for job, rows in finished.items():
        if any(replace(job, seed=seed) not in finished for seed in SEEDS):
            continue
        for row in rows:
            identity = asdict(job) | {name: row[name] for name in ("treatment",) if name in row}
            lines.append([*identity.values(), row["generation"], *(row.get(key, "") for key in KEPT)])
    names = [field.name for field in fields(Job)]
    lines.sort(key=lambda line: [str(cell).zfill(4) for cell in line[: len(names) + 1]])
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([*names, "generation", *KEPT])
        writer.writerows(lines)


def _round(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = {key: row[key] for key in ("generation", "treatment", *KEPT) if key in row}
    return {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in kept.items()}


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"run": run, "collect": collect})
