"""Tabulate parts of a loss, what each sampler and remedy keeps, and strengths of `lineages`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from evidence import arms_by_name, format_interval
from tables import SUMMARIES, make_table

from selfcorrect.experiments.studies.arm_words import describe_policy
from selfcorrect.experiments.studies.arms import BASELINE, ArmSettings
from selfcorrect.experiments.studies.motion.split import LossSplit, format_factor, split_losses
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import KEPT_DIVERSITY, find_metric
from selfcorrect.statistics import mean_interval

ROWS = SUMMARIES / "sampler.jsonl"
MAIN_JOB = "small-dct-mlp"
"""Denoiser of the preset `short`."""


@dataclass(frozen=True)
class SplitRun:
    """A generation of a run with the control arms."""

    title: str
    summary: str
    generation: int


SPLIT_RUNS = (
    SplitRun("built-in, generation 5", "split-ten", 5),
    SplitRun("built-in, generation 10", "split-ten", 10),
    SplitRun("CMU, generation 5", "split-cmu", 5),
)


def split_run(summaries: Mapping[str, Summary], name: str, generation: int) -> dict[str, LossSplit]:
    """Split a run's measures by key."""
    curves = arms_by_name(summaries[name], MAIN_JOB)
    return {split.metric.key: split for split in split_losses(curves, generation=generation)}


def split_table(summaries: Mapping[str, Summary]) -> str:
    """Return the table of parts."""
    rows = []
    for run in SPLIT_RUNS:
        splits = split_run(summaries, run.summary, run.generation)
        for split in (splits[key] for key in KEPT_DIVERSITY):
            factors = [
                format_factor(factor) for factor in (split.kept, split.sampler, split.copying, split.against_copies)
            ]
            rows.append([run.title, split.metric.name, *factors, f"{split.kept_by_default:.2f}"])
    heads = [
        "",
        "share kept of",
        "ancestral steps",
        "= sampler",
        "× copying",
        "× model against copies",
        "calibrated sampler",
    ]
    return make_table(heads, rows)


def read_rows(job: str) -> list[dict[str, Any]]:
    """Return the kept rows of a job."""
    rows = [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["job"] == job]


SAMPLERS = (
    "ddim 20 eta 1", "ddim 20 eta 0", "ddim 100 eta 1", "ddim 100 eta 0", "multistep 10", "multistep 15",
    "multistep 20", "multistep 100", "multistep 20 eta 0.3", "multistep 20 eta 0.6", "multistep 20 eta 1.0",
)  # fmt: skip
THREE_SAMPLERS = ("ddim 20 eta 1", "ddim 100 eta 0", "multistep 20")
PAPER_SAMPLERS = ("ddim 50 eta 1", *THREE_SAMPLERS, "multistep 50")
"""Samplers with 1,000 levels."""


@dataclass(frozen=True)
class NetworkRows:
    """Weights of generation 0 and their samplers."""

    title: str
    data: str
    denoiser: str
    samplers: tuple[str, ...] = THREE_SAMPLERS
    seeds: int = 3
    guidance: float = 1.0
    levels: int = 100

    def has_drawn(self, row: Mapping[str, Any]) -> bool:
        """Return whether a row has these weights' samples; rows without levels have 100."""
        weights = (row["data"], row["denoiser"], row["guidance"], row.get("levels", 100))
        return weights == (self.data, self.denoiser, self.guidance, self.levels)


NETWORKS = (
    NetworkRows("small DCT MLP, built-in", "deepmimic", "small-dct-mlp", SAMPLERS, seeds=8),
    NetworkRows("small DCT MLP, CMU", "cmu", "small-dct-mlp", seeds=2),
    NetworkRows("DCT MLP, built-in", "deepmimic", "dct-mlp"),
    NetworkRows("patch mixer, built-in", "deepmimic", "patch-mixer"),
    NetworkRows("DCT mixer, built-in", "deepmimic", "dct-mixer"),
    NetworkRows("small DCT MLP, built-in, guidance 2.5", "deepmimic", "small-dct-mlp", guidance=2.5),
    NetworkRows(
        "small DCT MLP, built-in, 1,000 levels", "deepmimic", "small-dct-mlp", PAPER_SAMPLERS, seeds=1, levels=1000
    ),
    NetworkRows(
        "small DCT MLP, built-in, 1,000 levels and guidance 2.5",
        "deepmimic",
        "small-dct-mlp",
        PAPER_SAMPLERS,
        seeds=1,
        guidance=2.5,
        levels=1000,
    ),
    NetworkRows("temporal convolutions, built-in", "deepmimic", "temporal-conv", seeds=1),
)
COLUMNS = {
    "kept_1": ("keeps of N(0, 1)", 2),
    "kept_0.1": ("of N(0, 0.1)", 2),
    "within_train": ("variance within labels", 2),
    "offspring_variance": ("offspring variance", 2),
    "fid_kinematic": ("Fréchet distance", 1),
    "precision": ("precision", 2),
    "recall": ("recall", 2),
    "coverage": ("coverage", 2),
    "jerk_m_s3": ("jerk (m/s³)", 0),
}


def read_sampler(name: str) -> dict[str, Any]:
    """Return the sampling settings of a sampler's name, such as "ddim 20 eta 1"."""
    sampler, steps, *eta = name.split()
    return {"sampler": sampler, "sampling_steps": int(steps), "eta": float(eta[1]) if eta else 0.0}


def samplers_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate samplers on generation 0's weights, as means over seeds."""
    kept = read_rows("gen0")
    rows = []
    for network in NETWORKS:
        rows.append([f"**{network.title}**"])
        for sampler in network.samplers:
            chosen = [row for row in kept if network.has_drawn(row) and row["sampler"] == sampler]
            if chosen:
                rows.append([sampler.replace("eta", "η ="), len(chosen), *_means(chosen, COLUMNS)])
    return make_table(["sampler", "seeds", *(title for title, _ in COLUMNS.values())], rows)


STRENGTH_COLUMNS = {
    "coverage": ("coverage", 2),
    "within_label_ratio": ("variance within labels", 2),
    "recall": ("recall", 2),
    "precision": ("precision", 2),
    "fid_kinematic": ("Fréchet distance", 1),
    "jerk_m_s3": ("jerk (m/s³)", 0),
}


def strengths_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate strengths of extrapolation, as means over seeds at the last generation."""
    kept = read_rows("strength")
    last = max(row["t"] for row in kept)
    rows = []
    for strength in sorted({row["w"] for row in kept}):
        chosen = [row for row in kept if (row["w"], row["t"]) == (strength, last)]
        rows.append([f"{strength:g}", *_means(chosen, STRENGTH_COLUMNS)])
    return make_table(["w", *(title for title, _ in STRENGTH_COLUMNS.values())], rows)


KEPT = {
    "real-data baseline": ("real+none",),
    "no remedy; with `lineages`": ("replace+none", "replace+none+lineages"),
    "a static set; with `lineages`": ("freeze+none", "freeze+none+lineages"),
    "a quarter renewed; with `lineages`": ("renew-0.25+none", "renew-0.25+none+lineages"),
}
"""Rows of the table of remedies: arms."""
KEPT_COLUMNS = ("coverage", "within_label_ratio", "precision")


def kept_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate what remedies keep in fully synthetic loops at the last generation."""
    summary = summaries["remedies"]
    arms = arms_by_name(summary, MAIN_JOB)
    first = arms["real+none"].values
    rows = [["generation 0", *(f"{first[key][:, 0].mean():.2f}" for key in KEPT_COLUMNS)]]
    for title, names in KEPT.items():
        cells = ["; ".join(f"{arms[name].last(key).mean():.2f}" for name in names) for key in KEPT_COLUMNS]
        rows.append([title, *cells])
    heads = [find_metric(key).name.lower() for key in KEPT_COLUMNS]
    return make_table([f"generation {summary.generations}", *heads], rows)


POLICIES = ("augment:0.25", "augment:0.5", "augment:1", "augment:4", "replace")
RATIO_KEYS = ("fid_kinematic", "recall", *KEPT_DIVERSITY, "precision")
PHYSICS_KEYS = ("penetration_mm", "skate_m_s", "needed_force_bodyweights", "fid_kinematic", *KEPT_DIVERSITY)


def uncorrected_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate uncorrected loops less the real-data baseline at the last generation, by ratio."""
    pairs = [(ArmSettings(policy), BASELINE) for policy in POLICIES]
    return _differences_table(summaries["ratios-quick"], "uncorrected − real data only", pairs, RATIO_KEYS)


def tracked_table(summaries: Mapping[str, Summary]) -> str:
    """Tabulate loops with PyBullet's physics less those without at the last generation, by ratio."""
    pairs = [(ArmSettings(policy, "physics"), ArmSettings(policy)) for policy in POLICIES]
    return _differences_table(summaries["ratios-quick-pybullet"], "physics − uncorrected", pairs, PHYSICS_KEYS)


def _differences_table(
    summary: Summary, title: str, pairs: Sequence[tuple[ArmSettings, ArmSettings]], keys: Sequence[str]
) -> str:
    arms = arms_by_name(summary, MAIN_JOB)
    metrics = [find_metric(key) for key in keys]
    rows = []
    for arm, other in pairs:
        changes = [mean_interval(arms[arm.key].last(key) - arms[other.key].last(key)) for key in keys]
        cells = [format_interval(change, metric.digits) for change, metric in zip(changes, metrics, strict=True)]
        rows.append([describe_policy(arm), *cells])
    return make_table([title, *(metric.title for metric in metrics)], rows)


def _means(rows: Sequence[Mapping[str, Any]], columns: Mapping[str, tuple[str, int]]) -> list[str]:
    return [f"{np.mean([row[key] for row in rows]):.{digits}f}" for key, (_, digits) in columns.items()]
