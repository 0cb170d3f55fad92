"""Motions to look at: samples of each arm for the player and as BVH files, and short films for W&B."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import call_corrector
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.models.diffusion.presets import preset
from selfcorrect.motion.editing.transforms import resample
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.pictures.player import encode_scene
from selfcorrect.runtime.progress import silent

from ..studies.arms import BASELINE, ArmSettings
from ..studies.outcome import Pair
from ..studies.study import SeedRun
from .correctors.builtin import build_corrector
from .settings import MotionSettings, RunOptions
from .study import corrector_inputs, motion_runs
from .tables import MotionOutcome
from .task import MotionTask, motion_task, trained_model

SHOWN = 4
"""Motions in a clip, a label each."""
DRAWS = 4
"""Samples of each label in the scenes that stand side by side: in a collapsed loop they are alike."""
SCENE_FPS = 15.0
"""Frame rate of these scenes, between whose frames the player interpolates."""

FILM_PIXELS, FILM_FPS = 160, 10.0


@dataclass(frozen=True)
class ShownClip:
    """Motions of a generation of an arm, and where they belong."""

    section: str
    caption: str
    scene: str
    """Scene for the player."""
    denoiser: str
    arm: str
    generation: int
    motions: tuple[Path, ...] = ()
    """The motions in it, as BVH files."""
    film: Path | None = None
    """The same as a short film (MP4), where W&B takes a film."""
    side_by_side: bool = False
    """Shown beside all clips of this kind, all at once."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All that it has on disk."""
        return self.motions if self.film is None else (*self.motions, self.film)


@dataclass(frozen=True)
class MediaPlace:
    """A denoiser and seed whose motions are shown."""

    settings: MotionSettings
    options: RunOptions
    run: SeedRun


def shown_clips(
    outcome: MotionOutcome,
    root: Path,
    pairs: Sequence[Pair],
    side_by_side: Mapping[str, Collection[ArmSettings]],
    options: RunOptions,
    *,
    films: bool,
) -> list[ShownClip]:
    """Motions of the first seed: before and after correction, generation 0, and the last generation of each arm.

    Args:
        pairs: Correctors that are shown, at most one pair for each denoiser.
        side_by_side: Denoiser → arms of which more samples are shown, all arms at once.
        films: Draw short films, too.
    """
    settings = outcome.settings
    clips = []
    for run in motion_runs(settings, root):
        if run.seed == settings.first_seed and run.task in outcome.curves:
            place = MediaPlace(settings, options, run)
            clips += _clips_of(place, outcome.curves[run.task], pairs, side_by_side.get(run.task, ()), films)
    return sorted(clips, key=lambda clip: clip.section != _CORRECTION)  # which come first


def _clips_of(
    place: MediaPlace,
    arms: Iterable[ArmSettings],
    pairs: Sequence[Pair],
    side_by_side: Collection[ArmSettings],
    films: bool,
) -> list[ShownClip]:
    task = motion_task(place.settings, place.run.task, place.run.stream)
    count = len(task.data.training.label_names)
    labels = torch.linspace(0, count - 1, min(SHOWN, count)).round().long()  # the same in every clip
    last = place.settings.generations
    clips = [_samples_clip(place, task, labels, BASELINE, 0, place.run.first_folder, side_by_side=bool(side_by_side))]
    for arm in arms:
        folder = place.run.arm_folder(arm)
        clips.append(_samples_clip(place, task, labels, arm, last, folder, side_by_side=arm in side_by_side))
    shown = (pair.arm for pair in pairs if pair.task == place.run.task and pair.arm.corrector != "none")
    corrected = next(shown, None)
    if corrected is not None:
        labels = labels[: SHOWN // 2]
        clips += [_correction_clip(place, task, labels, corrected, generation, films) for generation in (last, 0)]
    return clips


def draw_samples(
    run: SeedRun, task: MotionTask, labels: torch.Tensor, arm: ArmSettings, generation: int, folder: Path
) -> list[Motion]:
    """Sample the model of a generation for fixed labels with fixed noise."""
    model = trained_model(task, arm, folder, generation)
    batch: MotionBatch = task.codec.decode(model.sample(labels, run.stream.child("media")))
    return [batch[index] for index in range(len(batch))]


def _samples_clip(
    place: MediaPlace,
    task: MotionTask,
    labels: torch.Tensor,
    arm: ArmSettings,
    generation: int,
    folder: Path,
    *,
    side_by_side: bool,
) -> ShownClip:
    draws = DRAWS if side_by_side else 1
    motions = draw_samples(place.run, task, labels.repeat_interleave(draws), arm, generation, folder)
    title = "all arms start here" if generation == 0 else arm.label
    name = "generation-0" if generation == 0 else f"{arm.name}-generation-{generation}"
    names = _names(task, labels)
    files = tuple(_media_folder(place.run) / f"{name}-{file_name(text)}.bvh" for text in names)
    for file, motion in zip(files, motions[::draws], strict=True):
        write_bvh(file, clip_of(motion))
    section = f"Samples of the {preset(place.run.task).character} denoiser ({place.run.task})"
    caption = f"Generation {generation}: {title}"
    if side_by_side:
        if len(place.settings.arms) > 1:
            caption = f"{place.settings.words(place.run.task)} denoiser, {caption[0].lower()}{caption[1:]}"
        panels = [PicturePanel(resample(motion, SCENE_FPS)) for motion in motions]
        titles = ["" if index % draws else names[index // draws].replace("_", " ") for index in range(len(panels))]
        scene = encode_scene(panels, titles, together=False, marked=False)
    else:
        scene = encode_scene([PicturePanel(motion) for motion in motions], names, together=False)
    return ShownClip(
        section,
        caption,
        scene,
        place.run.task,
        arm.name,
        generation,
        motions=files,
        side_by_side=side_by_side,
    )


_CORRECTION = "Before and after correction"


def _correction_clip(
    place: MediaPlace, task: MotionTask, labels: torch.Tensor, arm: ArmSettings, generation: int, films: bool
) -> ShownClip:
    """Samples of a generation of an arm beside what its corrector makes of them."""
    folder = place.run.arm_folder(arm) if generation else place.run.first_folder
    before = draw_samples(place.run, task, labels, arm if generation else BASELINE, generation, folder)
    inputs = corrector_inputs(
        place.settings, place.options, place.run, task, trained_model(task, BASELINE, place.run.first_folder, 0), silent
    )
    corrector = build_corrector(arm.corrector, inputs)
    assert corrector is not None, "an arm with a corrector"
    samples = Samples.synthetic(task.codec.encode(MotionBatch.stack(before)), labels, generation)
    corrected = call_corrector(corrector, samples, place.run.stream.child("media", "correct"))
    after: MotionBatch = task.codec.decode(corrected.samples.values)
    panels = []
    for index, text in enumerate(_names(task, labels)):
        outcome = "corrected" if corrected.accepted[index] else "rejected"
        panels += [PicturePanel(before[index], f"{text}: sample"), PicturePanel(after[index], outcome)]
    film = None
    if films:
        film = _media_folder(place.run) / f"{arm.name}-before-and-after-generation-{generation}.mp4"
        _save_film(film, panels)
    caption = f"{place.settings.words(place.run.task)} denoiser, {arm.group}, {arm.corrector}: generation {generation}"
    scene = encode_scene(panels, [panel.title for panel in panels], together=False)
    return ShownClip(_CORRECTION, caption, scene, place.run.task, arm.name, generation, film=film)


def _names(task: MotionTask, labels: torch.Tensor) -> list[str]:
    return [task.data.training.label_names[int(label)] for label in labels]


def file_name(label: str) -> str:
    """A label such as "climb/jump" as part of a file's name."""
    return re.sub(r"[^\w.-]+", "-", label)


def _media_folder(run: SeedRun) -> Path:
    folder = run.root / "samples" / f"{run.task}-seed-{run.seed}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _save_film(path: Path, panels: Sequence[PicturePanel]) -> None:
    """Few and small pictures: drawing each takes milliseconds."""
    from selfcorrect.motion.pictures.drawing import animate, save_animation

    thinned = [replace(panel, motion=resample(panel.motion, FILM_FPS)) for panel in panels]
    save_animation(path, animate(thinned, size_px=FILM_PIXELS), FILM_FPS)
