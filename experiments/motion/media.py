"""Motions to look at: videos of each arm's samples, and the motions themselves as BVH files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import torch

from selfcorrect.datasets.files.bvh import clip_of, write_bvh
from selfcorrect.experiments.motion.arms import BASELINE, Arm
from selfcorrect.experiments.motion.correctors import MODEL_TRACKER, MODEL_WORLD
from selfcorrect.experiments.motion.models import trained_model
from selfcorrect.experiments.motion.presets import MotionSettings
from selfcorrect.experiments.motion.seed_runs import SeedRun, seed_runs
from selfcorrect.experiments.motion.task import MotionTask, motion_task
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.pictures.drawing import Panel, animate, save_animation
from selfcorrect.simulators.corrector import PhysicsCorrector

SHOWN = 6
"""Motions in a video, one label each."""

PIXELS = 200


@dataclass(frozen=True)
class Clip:
    """A video on disk and where it belongs."""

    section: str
    caption: str
    path: Path
    denoiser: str
    arm: str
    seed: int
    generation: int


def render_clips(settings: MotionSettings, root: Path) -> list[Clip]:
    """Videos of the first seed: generation 0 and the last one of each arm, and samples before and after physics."""
    first = [run for run in seed_runs(settings, root) if run.seed == settings.first_seed]
    return [clip for run in first for clip in _clips_of(run)]


def _clips_of(run: SeedRun) -> list[Clip]:
    task = motion_task(run.settings, run.comparison, run.stream)
    labels = _shown_labels(task)
    last = run.settings.generations
    clips = [_samples_clip(run, task, labels, BASELINE, 0, run.first_folder)]
    clips += [_samples_clip(run, task, labels, arm, last, run.arm_folder(arm)) for arm in run.comparison.arms]
    return [*clips, _correction_clip(run, task, labels)]


def _shown_labels(task: MotionTask) -> torch.Tensor:
    """The same labels in every video, spread over all of them."""
    count = len(task.data.training.label_names)
    return torch.linspace(0, count - 1, min(SHOWN, count)).round().long()


def _motions(
    run: SeedRun, task: MotionTask, labels: torch.Tensor, arm: Arm, generation: int, folder: Path
) -> list[Motion]:
    """What the model of a generation makes of fixed labels and fixed noise."""
    model = trained_model(task, arm, folder, generation)
    batch: MotionBatch = task.codec.decode(model.sample(labels, run.stream.child("media")))
    return [batch[index] for index in range(len(batch))]


def _samples_clip(
    run: SeedRun, task: MotionTask, labels: torch.Tensor, arm: Arm, generation: int, folder: Path
) -> Clip:
    motions = _motions(run, task, labels, arm, generation, folder)
    title = "all arms start here" if generation == 0 else arm.label
    name = "generation-0" if generation == 0 else f"{arm.name}-generation-{generation}"
    path = _media_folder(run) / f"{name}.mp4"
    _save(path, [Panel(motion, text) for motion, text in zip(motions, _names(task, labels), strict=True)], columns=3)
    for motion, text in zip(motions, _names(task, labels), strict=True):
        write_bvh(path.with_name(f"{name}-{file_name(text)}.bvh"), clip_of(motion))
    section = f"Samples of the {run.comparison.preset.character} denoiser ({run.comparison.denoiser})"
    caption = f"Generation {generation}: {title}"
    return Clip(section, caption, path, run.comparison.denoiser, arm.name, run.seed, generation)


def _correction_clip(run: SeedRun, task: MotionTask, labels: torch.Tensor) -> Clip:
    """Samples of generation 0 beside what physics makes of them."""
    before = _motions(run, task, labels, BASELINE, 0, run.first_folder)
    after = PhysicsCorrector(MODEL_TRACKER, MODEL_WORLD)(before)
    panels = []
    for motion, correction, text in zip(before, after, _names(task, labels), strict=True):
        outcome = "corrected" if correction.accepted else "rejected"
        panels += [Panel(motion, f"{text}: sample"), Panel(correction.motion, outcome)]
    path = _media_folder(run) / "before-and-after-physics.mp4"
    _save(path, panels[:8], columns=4)
    caption = f"{run.comparison.preset.character}: samples of generation 0 (left) and after physics (right)"
    return Clip("Before and after correction", caption, path, run.comparison.denoiser, "", run.seed, 0)


def _names(task: MotionTask, labels: torch.Tensor) -> list[str]:
    return [task.data.training.label_names[int(label)] for label in labels]


def file_name(label: str) -> str:
    """A label such as "climb/jump" as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", label)


def _media_folder(run: SeedRun) -> Path:
    folder = run.root / "samples" / f"{run.comparison.denoiser}-seed-{run.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _save(path: Path, panels: list[Panel], columns: int) -> None:
    save_animation(path, animate(panels, size_px=PIXELS, columns=columns), panels[0].motion.fps)
