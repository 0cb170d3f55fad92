"""Motions to look at: samples of each arm for the player, and as BVH files."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from selfcorrect.core.samples import Samples
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.loop.correctors.contract import call_corrector
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.pictures.player import encode_scene
from selfcorrect.runtime.progress import silent

from ..arm_words import describe_arm, describe_policy
from ..arms import BASELINE, ArmSettings
from ..outcome import Outcome, Pair
from ..page import PageClip, Section
from ..study import SeedRun
from .correctors.own import build_corrector
from .settings import MotionSettings, RunOptions
from .study import corrector_inputs, motion_runs
from .task import MotionTask, make_motion_task, trained_model

SHOWN = 4
"""Motions in a clip, a label each."""
DRAWS_PER_LABEL = 4
"""Samples of each label in the scenes that stand side by side: in a collapsed loop samples are alike."""
SCENES_TEXT = (
    "Sixteen samples of each model, drawn with the same noise. Each row has four draws for one label; if diversity is "
    "lost, they look alike. Drag a picture to rotate it."
)
SCENE_FPS = 15.0
"""Frame rate of these scenes; the player interpolates between frames."""


@dataclass(frozen=True)
class Media:
    """Motions of a report."""

    corrections: list[PageClip] = field(default_factory=list)
    """Samples before and after correction, shown one after another by one player."""
    scenes: list[PageClip] = field(default_factory=list)
    """Clips that are shown side by side, all at once."""
    files: list[Path] = field(default_factory=list)
    """Motions as BVH files."""

    @property
    def side_by_side_section(self) -> Section:
        """The first and the last generation."""
        return Section("The first and the last generation", SCENES_TEXT, scenes=self.scenes)

    @property
    def clips_section(self) -> Section:
        """Motions before and after correction, and the files."""
        clips = {"Before and after correction": self.corrections} if self.corrections else {}
        return Section("Motions" if clips else "", clips=clips, files=self.files)


@dataclass(frozen=True)
class _Showcase:
    """The denoiser and seed of shown motions."""

    settings: MotionSettings
    options: RunOptions
    run: SeedRun
    task: MotionTask
    media: Media

    @property
    def labels(self) -> torch.Tensor:
        """The motions' labels, equal in every clip."""
        _, conditions = np.unique(self.task.data_labels, return_index=True)  # one for each label of the data
        count = len(conditions)
        return torch.from_numpy(conditions)[torch.linspace(0, count - 1, min(SHOWN, count)).round().long()]

    @property
    def folder(self) -> Path:
        """Folder of the files."""
        return self.run.root / "samples" / f"{self.run.task}-seed-{self.run.seed}"

    def name_labels(self, labels: torch.Tensor) -> list[str]:
        return [self.task.data.training.label_names[int(self.task.data_labels[label])] for label in labels]

    def draw_samples(self, labels: torch.Tensor, arm: ArmSettings, generation: int) -> list[Motion]:
        """Sample a generation's model with fixed noise."""
        record = self.run.generations(arm) if generation else self.run.first()
        model = trained_model(self.task, arm if generation else BASELINE, record, generation)
        batch: MotionBatch = self.task.codec.decode(model.sample(labels, self.run.stream.child("media")))
        return [batch[index] for index in range(len(batch))]

    def show_samples(self, arm: ArmSettings, generation: int, *, side_by_side: bool) -> None:
        """Add samples as files, or as clips if they are shown in motion."""
        draws = DRAWS_PER_LABEL if side_by_side else 1
        motions = self.draw_samples(self.labels.repeat_interleave(draws), arm, generation)
        title = describe_arm(arm) if generation else "all arms start here"
        name = f"{arm.key}-generation-{generation}" if generation else "generation-0"
        names = self.name_labels(self.labels)
        for text, motion in zip(names, motions[::draws], strict=True):
            file = self.folder / f"{name}-{file_name(text)}.bvh"
            write_bvh(file, clip_of(motion))
            self.media.files.append(file)
        if not side_by_side:
            return
        caption = f"Generation {generation}: {title}"
        if len(self.settings.arms) > 1:
            caption = f"{self.settings.words(self.run.task)} denoiser, {caption[0].lower()}{caption[1:]}"
        panels = [PicturePanel(resample(motion, SCENE_FPS)) for motion in motions]
        titles = ["" if index % draws else names[index // draws].replace("_", " ") for index in range(len(panels))]
        scene = encode_scene(panels, titles, marked=False)
        self.media.scenes.append(PageClip(caption, scene))

    def show_correction(self, arm: ArmSettings, generation: int) -> None:
        """Add samples beside their correction."""
        labels = self.labels[: SHOWN // 2]
        before = self.draw_samples(labels, arm, generation)
        first = trained_model(self.task, BASELINE, self.run.first(), 0)
        inputs = corrector_inputs(self.settings, self.options, self.run, self.task, first, silent)
        corrector = build_corrector(arm.corrector, inputs)
        assert corrector is not None, "an arm with a corrector"
        samples = Samples.synthetic(self.task.codec.encode(MotionBatch.stack(before)), labels, generation)
        corrected = call_corrector(corrector, samples, self.run.stream.child("media", "correct"))
        after: MotionBatch = self.task.codec.decode(corrected.samples.values)
        panels = []
        for index, text in enumerate(self.name_labels(labels)):
            outcome = "corrected" if corrected.accepted[index] else "rejected"
            panels += [PicturePanel(before[index], f"{text}: sample"), PicturePanel(after[index], outcome)]
        loop = f"{self.settings.words(self.run.task)} denoiser, {describe_policy(arm)}, {arm.corrector}"
        words = f"{loop}: generation {generation}"
        scene = encode_scene(panels, [panel.title for panel in panels])
        self.media.corrections.append(PageClip(words, scene))


def show_motions(
    settings: MotionSettings,
    options: RunOptions,
    outcome: Outcome,
    pairs: Sequence[Pair],
    side_by_side: Mapping[str, Collection[ArmSettings]],
) -> Media:
    """Return the motions that a report shows, all of the first seed.

    They are motions before and after correction, generation 0, and the last generation of each arm.

    Args:
        pairs: Correctors that are shown, at most one pair for each denoiser.
        side_by_side: Denoiser → arms with more samples, all arms shown at once.
    """
    media = Media()
    for run in motion_runs(settings, outcome.folder):
        if run.seed != settings.first_seed or run.task not in outcome.curves:
            continue
        showcase = _Showcase(settings, options, run, make_motion_task(settings, run.task, run.stream), media)
        showcase.folder.mkdir(parents=True, exist_ok=True)
        arms_beside = side_by_side.get(run.task, ())
        showcase.show_samples(BASELINE, 0, side_by_side=bool(arms_beside))
        for arm in outcome.curves[run.task]:
            showcase.show_samples(arm, settings.generations, side_by_side=arm in arms_beside)
        corrected = [pair.arm for pair in pairs if pair.task == run.task and pair.arm.corrector != "none"]
        for arm in corrected[:1]:
            for generation in (settings.generations, 0):
                showcase.show_correction(arm, generation)
    return media


def file_name(label: str) -> str:
    """Return a label, such as "climb/jump", as part of file names."""
    return re.sub(r"[^\w.-]+", "-", label)
