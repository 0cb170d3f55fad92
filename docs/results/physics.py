"""Run the long loops of physics.md, whose plans are physics-plan.txt and physics-columns-plan.txt, and collect scores.

    python docs/tools/long_loop.py run FOLDER --cmu CMU --minutes 60   # resumes; CMU is the folder of the CMU set
    python docs/tools/long_loop.py run FOLDER --block main --seeds 1   # one row of the plan, one seed
    python docs/tools/long_loop.py collect FOLDER                      # scores kept samples, writes physics.csv

A job is one loop with one seed. FOLDER keeps the evaluated samples of each generation, so that measures can be added
later, and generation 0, which all jobs with the same seed and training share. A job that a kill interrupts runs again
from the same random numbers.

The script is frozen: it ran as docs/tools/long_loop.py at commit b525f8cc, where its imports resolve.
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
from selfcorrect.core.randomness import streams
from selfcorrect.experiments.motion.correctors.own import CorrectorInputs, build_corrector
from selfcorrect.experiments.motion.presets import PRESETS
from selfcorrect.experiments.motion.task import MotionData, MotionParts, MotionTask, Sharing, load_parts
from selfcorrect.loop.ancestry import nearest_of_label, novelty
from selfcorrect.loop.bias import best_of, sample_plainly
from selfcorrect.loop.correctors.contract import call_corrector
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.policy import parse_policy
from selfcorrect.loop.run import Arm, Candidate, run_loop, train_first_generation
from selfcorrect.loop.store.protocol import Generation
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.measures.physical import physical_errors
from selfcorrect.motion.motion import MotionBatch
from selfcorrect.runtime.progress import silent
from selfcorrect.storage.files.writing import write_atomically

RESULTS = Path(__file__).resolve().parents[1] / "results" / "physics.csv"
EVALUATED = 128
"""Samples that are evaluated in each generation."""
GENERATIONS = 10
FIRST_SEED = 100
"""No earlier experiment uses seeds from here on."""
INITIAL_STEPS = {40: 500, 250: 1000, 1000: 5000}
"""Optimiser steps of generation 0, by the steps of a later generation."""
CORRECTORS = ("none", "re-encoded", "floor", "low-pass", "kinematic", "physics")


@dataclass(frozen=True)
class Job:
    """One loop with one seed. The policy "first" scores real windows before and after correction."""

    block: str
    data: str
    seed: int
    count: int
    """Training windows, n."""
    labels: int
    steps: int
    """Optimiser steps of a later generation."""
    policy: str
    corrector: str = "none"
    engine: str = "pybullet"
    network: str = "small-dct-mlp"
    representation: str = "features"

    @property
    def name(self) -> str:
        return "-".join(map(str, astuple(self))).replace(":", "-")


@dataclass(frozen=True)
class Block:
    """A row of the plan: settings, arms and the number of seeds."""

    seeds: int
    settings: Mapping[str, Any]
    arms: tuple[tuple[str, str], ...]
    """Policies and correctors."""
    first_seed: int = FIRST_SEED

    def jobs(self, name: str, number: int) -> list[Job]:
        """Return the jobs of the block's seed with that number."""
        arms = (("first", "none"), ("real", "none"), *self.arms)
        return [
            Job(name, seed=self.first_seed + number, policy=policy, corrector=corrector, **self.settings)
            for policy, corrector in arms
        ]


def cross(policies: tuple[str, ...], correctors: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    """Return all arms of some policies and correctors."""
    return tuple((policy, corrector) for policy in policies for corrector in correctors)


BUILT_IN = {"data": "built-in", "count": 128, "labels": 14, "steps": 40}
PAIR = ("none", "physics")
BLOCKS = {
    "main": Block(8, BUILT_IN, cross(("replace",), CORRECTORS)),
    "ratios": Block(5, BUILT_IN, cross(("augment:1", "augment:0.5", "augment:0.25"), PAIR)),
    "steps": Block(5, BUILT_IN | {"count": 64, "steps": 250}, cross(("augment:1",), CORRECTORS)),
    "cmu": Block(
        5,
        BUILT_IN | {"data": "cmu", "labels": 128},
        cross(("replace",), ("none", "floor", "low-pass", "kinematic", "physics")),
    ),
    "labels": Block(5, BUILT_IN | {"labels": 128}, cross(("replace",), PAIR)),
    "mujoco": Block(5, BUILT_IN | {"engine": "mujoco"}, cross(("replace",), ("physics",))),
    "selection": Block(5, BUILT_IN, cross(("replace",), ("best-of-4",))),
    "published-steps": Block(2, BUILT_IN | {"count": 64, "steps": 1000}, cross(("augment:1",), PAIR)),
    "columns": Block(5, BUILT_IN | {"representation": "humanml3d"}, cross(("replace",), CORRECTORS), first_seed=200),
}
"""Rows of the plans, the most important first."""


def list_jobs(blocks: tuple[str, ...] = (), seeds: int | None = None) -> list[Job]:
    """Return the jobs of blocks (default: all), seed by seed within a block."""
    jobs = []
    for name in blocks or BLOCKS:
        block = BLOCKS[name]
        for number in range(block.seeds if seeds is None else seeds):
            jobs += block.jobs(name, number)
    return jobs


# --- tasks ---


@cache
def load_data(cmu: Path, data: str, seed: int, count: int) -> MotionData:
    """Return the windows of a seed, once in a process."""
    sources = {"cmu": {"data": (f"{cmu}#train",), "reference": (f"{cmu}#test",)}}.get(data, {})
    return load_parts(replace(PRESETS["short"], real_count=count, **sources), streams(seed)).data


@lru_cache(maxsize=1)
def make_task(cmu: Path, job: Job) -> tuple[MotionTask, np.ndarray]:
    """Return a job's task, and the labels (n,) that its training windows have in the data."""
    windows = load_data(cmu, job.data, job.seed, job.count)
    settings = replace(PRESETS["short"], real_count=job.count, representation=job.representation)
    settings = replace(settings, training="plain")  # as all seeds of the table
    parts = MotionParts(settings, windows)
    training = windows.training
    own_labels = training.labels
    if job.labels != len(np.unique(own_labels)):
        conditioned = relabel(own_labels, parts.evaluator.geometric(training.batch), job.labels)
        training = replace(training, labels=conditioned, label_names=tuple(map(str, range(job.labels))))
    task = MotionParts(settings, replace(windows, training=training)).make_task(job.network, Sharing("cpu"))
    return replace(task, initial_steps=INITIAL_STEPS[job.steps]), own_labels


def first_generation(folder: Path, task: MotionTask, job: Job) -> dict[str, Tensor]:
    """Return the trained state of generation 0, which is kept in `folder`."""
    shared = (job.data, job.seed, job.count, job.labels, job.steps, job.network, job.representation)
    path = folder / "first" / f"{'-'.join(map(str, shared))}.safetensors"
    if not path.exists():
        store = MemoryStore()
        train_first_generation(replace(task, evaluate=lambda candidate: {}), store, streams(job.seed))
        path.parent.mkdir(exist_ok=True)
        write_atomically(path, save(dict(store.state(0))))
    return load(path.read_bytes())


# --- labels and scores ---


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


def rate_physics(codec: FeatureCodec, real: MotionBatch, values: Tensor) -> Tensor:
    """Score samples (N, T, D) by penetration, floating and skating, each over its mean in the training windows."""
    total = np.zeros(len(values))
    errors, usual = physical_errors(codec.decode(values)), physical_errors(real)
    for name in ("penetration_m", "floating_m", "skate_m_s"):
        total -= getattr(errors, name) / max(getattr(usual, name).mean(), 1e-9)
    return torch.from_numpy(total)


# --- loops ---


def run_job(folder: Path, cmu: Path, job: Job) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Return the evaluated samples by generation, values (EVALUATED, T, D), and what each generation recorded."""
    torch.set_num_threads(1)
    task, _ = make_task(cmu, replace(job, block="", policy="", corrector="", engine="pybullet"))
    stream = streams(job.seed)
    kept: dict[str, Tensor] = {}

    def keep(candidate: Candidate) -> dict[str, float]:
        kept[str(candidate.generation)] = candidate.samples(EVALUATED).values.float()
        return {}

    task = replace(task, evaluate=keep)
    state = first_generation(folder, task, job)
    first_model = task.model.load_state(state)
    inputs = CorrectorInputs(task.codec, task.real, first_model, stream.child("corrector"), silent, engine=job.engine)
    if job.policy == "first":
        return {"real": task.fresh.values.float()} | correct_real(inputs, task, stream), []
    keep(Candidate(0, first_model, None, task.real, stream.child("generation", 0, "evaluate")))
    first = MemoryStore()
    first.commit(Generation(0, state, None, {}, {}))
    correction, bias = None, sample_plainly
    if job.corrector == "best-of-4":
        bias = best_of(4, partial(rate_physics, task.codec, task.codec.decode(task.real.values)))
    elif job.corrector != "none":
        corrector = build_corrector(job.corrector, inputs)
        assert corrector, "only `none` has no corrector"
        correction = Correction(corrector, math.inf)
    arm = Arm(parse_policy(job.policy), GENERATIONS, job.steps, correction=correction, bias=bias)
    store = MemoryStore()
    run_loop(task, arm, store, first, stream)
    return kept, [dict(store.metrics(number)) for number in range(1, GENERATIONS + 1)]


def correct_real(inputs: CorrectorInputs, task: MotionTask, stream: Any) -> dict[str, Tensor]:
    """Return fresh real windows after each corrector: what a corrector does to motion that needs no correction."""
    corrected = {}
    for name in CORRECTORS[1:]:
        corrector = build_corrector(name, inputs)
        assert corrector
        answer = call_corrector(corrector, task.fresh, stream.child("fresh", name))
        corrected[f"real, {name}"] = answer.samples.values.float()
    return corrected


# --- running and collecting ---


def run(
    folder: Path,
    /,
    cmu: Path = Path("cmu"),
    minutes: float = 60.0,
    workers: int = os.cpu_count() or 1,
    block: tuple[str, ...] = (),
    seeds: int | None = None,
) -> None:
    """Run the jobs that are not finished, in order, and begin none after `minutes`."""
    end_s = time.time() + 60 * minutes
    folder.mkdir(parents=True, exist_ok=True)
    jobs = list_jobs(block, seeds)
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(partial(finish_job, folder, cmu, end_s), jobs))


def finish_job(folder: Path, cmu: Path, end_s: float, job: Job) -> None:
    """Write samples and records of a job into `folder`, unless they are there or the time is over."""
    path = folder / f"{job.name}.json"
    if path.exists() or time.time() > end_s:
        return
    start_s, start_cpu_s = time.time(), time.process_time()
    samples, records = run_job(folder, cmu, job)
    (folder / "samples").mkdir(exist_ok=True)
    write_atomically(folder / "samples" / f"{job.name}.safetensors", save(samples))
    cost = {"wall_s": time.time() - start_s, "processor_s": time.process_time() - start_cpu_s}
    write_atomically(path, json.dumps({"job": asdict(job), **cost, "records": records}))
    print(f"finished: {job.name} in {cost['processor_s']:.0f} s of processor time", flush=True)


def read_jobs(folder: Path) -> Iterator[tuple[Job, dict[str, Any]]]:
    """Yield the finished jobs with their records."""
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text())
        yield Job(**record["job"]), record


RECORDED = ("corrected_distance", "rejected_count", "training_loss", "surviving_lineages", "offspring_variance")
"""Measures of the loop itself, from its records."""


def score_job(folder: Path, cmu: Path, job: Job, record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row per generation of a finished job.

    The rows are kept in `folder`; delete its folder `scores` to score all samples with measures that were added since.
    """
    path = folder / "scores" / f"{job.name}.json"
    if path.exists():
        return json.loads(path.read_text())
    task, own_labels = make_task(cmu, replace(job, block="", policy="", corrector="", engine="pybullet"))
    training = task.data.training.batch
    rows = []
    samples = load((folder / "samples" / f"{job.name}.safetensors").read_bytes())
    for generation, values in samples.items():
        batch = task.codec.decode(values)
        scores = score_samples(task.evaluator, training, own_labels, batch)
        if generation.startswith("real, "):
            moved_m = joint_positions(batch) - joint_positions(task.codec.decode(samples["real"]))
            scores["moved_mm"] = 1000.0 * float(np.linalg.norm(moved_m, axis=-1).mean())
        if generation.isdigit() and generation != "0":
            records = record["records"][int(generation) - 1]
            scores |= {key: records[key] for key in RECORDED if key in records}
        rows.append(asdict(job) | {"generation": generation} | scores)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps(rows))
    return rows


def collect(folder: Path, /, cmu: Path = Path("cmu"), workers: int = os.cpu_count() or 1) -> None:
    """Score the samples of all finished jobs and write the committed table.

    Rows of jobs that finished elsewhere, whose samples are not in `folder`, stay in the table.
    """
    jobs = sorted(read_jobs(folder), key=lambda item: (item[0].data, item[0].seed, item[0].count, item[0].name))
    with ProcessPoolExecutor(workers) as pool:
        rows = [row for part in pool.map(partial(_score, folder, cmu), jobs, chunksize=8) for row in part]
    finished = {job.name for job, _ in jobs}
    rows += [row for row in _read_table() if _job_of(row).name not in finished]
    order = {name: number for number, name in enumerate(BLOCKS)}
    rows.sort(key=lambda row: (order[row["block"]], row["seed"], row["policy"], row["corrector"], _number(row)))
    columns = [field.name for field in fields(Job)]
    columns += ["generation", *sorted({key for row in rows for key in row} - {*columns, "generation"})]
    with RESULTS.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows([_shorten(row.get(column, "")) for column in columns] for row in rows)


def _read_table() -> list[dict[str, Any]]:
    """Return the rows of the committed table; empty cells are left out."""
    if not RESULTS.exists():
        return []
    with RESULTS.open(encoding="utf-8") as file:
        rows = [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]
    return [row | {"seed": int(row["seed"])} for row in rows]


def _job_of(row: Mapping[str, Any]) -> Job:
    return Job(**{field.name: row[field.name] for field in fields(Job)})


def _score(folder: Path, cmu: Path, item: tuple[Job, Mapping[str, Any]]) -> list[dict[str, Any]]:
    return score_job(folder, cmu, *item)


def _number(row: Mapping[str, Any]) -> tuple[int, str]:
    generation = row["generation"]
    return (int(generation), "") if generation.isdigit() else (-1, generation)


def _shorten(value: Any) -> Any:
    return float(f"{value:.4g}") if isinstance(value, float) else value


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"run": run, "collect": collect})
