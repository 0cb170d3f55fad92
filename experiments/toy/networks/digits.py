"""Gillman et al. 2024: a class-conditional diffusion model of digits, corrected by k-means clusters of the real ones.

Every synthetic image moves towards the nearest of its digit's cluster centres by γ. The centres are a memory of the
training data: what is gained by them is stability, not new information.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.neural_network import MLPClassifier
from torch import Tensor

from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.anchors import Anchors, fit_anchors
from selfcorrect.correctors.contract import Corrector
from selfcorrect.correctors.correction import Correction
from selfcorrect.datasets.toy.digits import bundled_digits, mnist
from selfcorrect.loop.policy import Augment, Policy, RealOnly
from selfcorrect.loop.run import Candidate, Plan, Task
from selfcorrect.metrics.frechet import frechet_distance
from selfcorrect.metrics.neighbours import neighbour_metrics
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.model import MotionDiffusion
from selfcorrect.statistics import mean_interval
from selfcorrect.storage.runs.protocol import Generation

from ..result import Check, Ends, Line, Panel, Pictures, Result, above, below, ends_of
from ..running import Curves, run_arms


@dataclass(frozen=True)
class Digits:
    """Real images for training, λ per arm, γ of the corrector, clusters per digit; `mnist`: a folder of idx files."""

    real_count: int = 600
    judged: int = 600
    ratios: tuple[float, ...] = (0.2, 0.5, 1.0, 1.5)
    strength: float = 0.5
    clusters_per_digit: int = 16
    first_steps: int = 1200
    steps: int = 120
    generations: int = 4
    seeds: int = 3
    mnist: Path | None = None
    seed: int = 0


def quick() -> Digits:
    return Digits(ratios=(1.0,), first_steps=300, steps=60, generations=3, judged=300)


@dataclass(frozen=True)
class Judge:
    """A classifier trained on the real training data at set-up; its hidden layer gives the features of the Fréchet
    distance, its outputs the class accuracy of samples.
    """

    classifier: MLPClassifier

    @classmethod
    def train(cls, images: Tensor, labels: Tensor, seed: int) -> Judge:
        classifier = MLPClassifier((32,), max_iter=1000, random_state=seed)
        return cls(classifier.fit(images.flatten(1).numpy(), labels.numpy()))

    def features(self, images: Tensor) -> np.ndarray:
        """Hidden activations (N, 32) of images (N, height, width)."""
        flat = images.flatten(1).double().numpy()
        return np.maximum(flat @ self.classifier.coefs_[0] + self.classifier.intercepts_[0], 0)

    def accuracy(self, images: Tensor, labels: Tensor) -> float:
        return float(np.mean(self.classifier.predict(images.flatten(1).numpy()) == labels.numpy()))


def run(settings: Digits | None = None) -> Result:
    """All arms."""
    settings = settings or Digits()
    images, labels = mnist(settings.mnist) if settings.mnist else bundled_digits()
    shown: dict[str, list[Tensor]] = {}
    runs = []
    for seed in range(settings.seed, settings.seed + settings.seeds):
        stream = streams(seed).child("digits")
        task, plans = _compare(settings, images, labels, stream, settings.strength)
        runs.append(run_arms(task, plans, stream, _Album(task, shown, stream).add))
    curves = {arm: {key: np.concatenate([one[arm][key] for one in runs]) for key in runs[0][arm]} for arm in runs[0]}
    return Result(
        reading=_reading(settings, curves),
        ends=_ends(settings, curves),
        checks=_checks(settings, curves),
        figures=[*_panels(settings, curves), *_pictures(shown)],
        notes=(
            f"Corrector: {settings.clusters_per_digit} clusters per digit of the real training images; its information "
            "budget is those centres.",
            f"Features and accuracy come from a classifier trained on the same {settings.real_count} real images.",
        ),
    )


def _compare(settings: Digits, images: Tensor, labels: Tensor, stream: Stream, strength: float):
    order = torch.randperm(len(images), generator=stream.child("split").torch())
    train, held_out = order[: settings.real_count], order[settings.real_count :][: settings.judged]
    real = Samples.real(images[train], labels[train])
    judge = Judge.train(real.values, real.labels, stream.seed % 2**32)
    size = images.shape[1]
    config = DiffusionConfig(denoiser="dct-mlp", width=256, depth=2, snr_factor=1.0, learning_rate=2e-3)
    model = MotionDiffusion(config, size, size, 10, device=torch.device("cpu"))
    task = Task(model, real, _scores(settings, judge, images[held_out]), settings.first_steps)
    per_cluster = max(1, settings.real_count // 10 // settings.clusters_per_digit)
    anchors = fit_anchors(real, per_cluster, stream.child("clusters"))
    return task, _plans(settings, Correction(nearest_centre(anchors), strength, operator="interpolation"))


def nearest_centre(anchors: Anchors) -> Corrector:
    """Every image becomes the nearest cluster centre of its digit."""

    def to_centre(samples: Samples) -> Samples:
        distances = torch.cdist(samples.values.flatten(1), anchors.centroids.flatten(1))
        foreign = samples.labels[:, None] != anchors.labels
        nearest = distances.masked_fill(foreign, torch.inf).argmin(1)
        return samples.with_values(anchors.centroids[nearest].to(samples.values))

    return to_centre


def _plans(settings: Digits, correction: Correction) -> dict[str, Plan]:
    def plan(policy: Policy, correction: Correction | None = None) -> Plan:
        return Plan(policy, settings.generations, steps=settings.steps, correction=correction)

    plans = {"real only": plan(RealOnly())}
    for ratio in settings.ratios:
        plans[f"λ = {ratio:g}"] = plan(Augment(ratio))
        plans[f"λ = {ratio:g}, corrected"] = plan(Augment(ratio), correction)
    return plans


def _scores(settings: Digits, judge: Judge, held_out: Tensor):
    reference = judge.features(held_out)

    def scores(candidate: Candidate) -> dict[str, float]:
        drawn = candidate.samples(settings.judged)
        features = judge.features(drawn.values)
        return {
            "fid": frechet_distance(reference, features),
            "accuracy": judge.accuracy(drawn.values, drawn.labels),
            "recall": neighbour_metrics(reference, features)["recall"],
        }

    return scores


@dataclass(frozen=True)
class _Album:
    """Keeps one image per digit of every generation of the first seed."""

    task: Task
    pages: dict[str, list[Tensor]]
    stream: Stream

    def add(self, arm: str, generation: Generation) -> None:
        page = self.pages.setdefault(arm, [])
        if len(page) < generation.number:
            model = self.task.model.load_state(dict(generation.state))
            page.append(model.sample(torch.arange(10), self.stream.child("shown")))


def _pictures(shown: dict[str, list[Tensor]]) -> list[Pictures]:
    return [
        Pictures(
            arm,
            ((torch.cat(pages) + 1) / 2).clamp(0, 1).numpy(),
            10,
            [f"generation {number}" for number in range(1, len(pages) + 1)],
        )
        for arm, pages in shown.items()
    ]


def _checks(settings: Digits, curves: Curves) -> list[Check]:
    last = {arm: {key: values[:, -1] for key, values in table.items()} for arm, table in curves.items()}
    largest = max(settings.ratios)
    plain, corrected = last[f"λ = {largest:g}"], last[f"λ = {largest:g}, corrected"]
    every = [last[f"λ = {ratio:g}, corrected"]["fid"] - last[f"λ = {ratio:g}"]["fid"] for ratio in settings.ratios]
    return [
        above(
            f"λ = {largest:g}: ends with a larger Fréchet distance than real data only",
            mean_interval(plain["fid"] - last["real only"]["fid"]),
        ),
        below("correction lowers the Fréchet distance, over all λ", mean_interval(np.concatenate(every))),
        above(
            f"λ = {largest:g}: correction raises the class accuracy",
            mean_interval(corrected["accuracy"] - plain["accuracy"]),
        ),
        above(
            f"λ = {largest:g}: correction costs no recall",
            mean_interval(corrected["recall"] - plain["recall"]),
            -0.05,
            published=False,
        ),
    ]


def _reading(settings: Digits, curves: Curves) -> str:
    corrected, without = (
        {key: curves[f"λ = {max(settings.ratios):g}{way}"][key][:, -1].mean() for key in ("accuracy", "recall")}
        for way in (", corrected", "")
    )
    return (
        f"Accuracy ends at {corrected['accuracy']:.2f} with correction, at {without['accuracy']:.2f} without. "
        f"Recall ends at {corrected['recall']:.2f} with it, at {without['recall']:.2f} without."
    )


ENDS = {"Fréchet distance": ("fid", ".1f"), "accuracy": ("accuracy", ".2f"), "recall": ("recall", ".2f")}


def _ends(settings: Digits, curves: Curves) -> Ends:
    largest = f"λ = {max(settings.ratios):g}"
    shown = {arm: curves[arm] for arm in ("real only", largest, f"{largest}, corrected")}
    return ends_of(shown, ENDS)


def _panels(settings: Digits, curves: Curves) -> list[Panel]:
    generations = np.arange(settings.generations + 1)
    return [
        Panel(title, "generation", title, generations, [Line(arm, table[key]) for arm, table in curves.items()])
        for key, title in (("fid", "Fréchet distance"), ("accuracy", "class accuracy"), ("recall", "recall"))
    ]
