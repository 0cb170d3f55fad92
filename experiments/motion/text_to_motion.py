"""Train a small model on captioned motions, then make motions from sentences."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from tqdm import tqdm

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.datasets.load import load_motions
from selfcorrect.datasets.splits import path_and_split
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.datasets.windows import Windows, cut_windows
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.diffusion.described import DescribedDiffusion
from selfcorrect.models.diffusion.model import OnStep, choose_device
from selfcorrect.models.text_embedding import Cached, TextEmbedder, clip, minilm, sentence_vectors
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import Motion, captions
from selfcorrect.motion.pictures.drawing import draw_motions
from selfcorrect.storage.files.digests import digest
from selfcorrect.storage.files.listings import states_of
from selfcorrect.storage.files.places import LocalPlace
from selfcorrect.storage.files.written import Written

from ..jobs.targets import check_output


@dataclass(frozen=True, eq=False)
class TextToMotion:
    """A trained model: sentences in, motions out."""

    model: DescribedDiffusion
    codec: FeatureCodec
    embed: TextEmbedder

    def __call__(self, sentences: Sequence[str], seed: int) -> list[Motion]:
        """One motion per sentence."""
        model = self.model.redescribed(sentence_vectors(self.embed, sentences))
        values = model.sample(torch.arange(len(sentences)), streams(seed).child("sample"))
        batch = self.codec.decode(values)
        return [replace(batch[row], text=sentence) for row, sentence in enumerate(sentences)]


def captioned_windows(motions: Sequence[Motion], settings: WindowSettings) -> Windows:
    """Windows of motions with captions, which are their labels, one of each motion's; else of those with labels."""
    captioned = [replace(motion, label=captions(motion.text)[0]) for motion in motions if captions(motion.text)]
    known = captioned or [motion for motion in motions if motion.label]
    if not known:
        raise InputError(f"none of the {len(motions)} motions has a caption or a label")
    return cut_windows(known, settings)


def train(
    windows: Windows,
    embed: TextEmbedder,
    config: DiffusionConfig,
    steps: int,
    seed: int,
    device: torch.device | None = None,
    on_step: OnStep | None = None,
) -> TextToMotion:
    """Fit a model to windows whose label names are sentences."""
    codec = FeatureCodec.fit(windows.batch)
    values = codec.encode(windows.batch)
    model = DescribedDiffusion(
        config,
        frames=values.shape[1],
        features=values.shape[2],
        classes=len(windows.label_names),
        device=device or choose_device(),
        on_training_step=on_step,
        vectors=sentence_vectors(embed, windows.label_names),
    )
    samples = Samples.real(values, torch.from_numpy(windows.labels))
    return TextToMotion(model.fit(samples, steps, streams(seed).child("fit")), codec, embed)


def write_motions(
    sentences: Sequence[str],
    data: str,
    out: Path,
    steps: int,
    seed: int,
    clip_name: str,
    window_settings: WindowSettings,
    config: DiffusionConfig,
    overwrite: bool = False,
) -> None:
    """Train on the captioned motions of `data` and write a BVH file per sentence, and a film of all, into `out`.

    Where a call with the same arguments, on the same data, wrote all of them, nothing is done again. What such a call
    wrote before it was killed is replaced, as is anything with `overwrite`; SettingError where another file is there.
    """
    task = (sentences, _states(data, out), steps, seed, clip_name, window_settings, config)
    version = importlib.metadata.version("selfcorrect")
    written, film = Written(out, digest(repr((*task, version)).encode())), out / "motions.gif"
    files = [out / f"{row:02d}.bvh" for row in range(len(sentences))]
    owned = [written.owns(output) for output in (*files, film)]
    for output, is_owned in zip((*files, film), owned, strict=True):
        check_output(output, overwrite or is_owned)
    with LocalPlace(out).claimed():
        if all(owned) and not overwrite:
            print("these motions are there already, made of the same data with the same settings")
            return
        windows = captioned_windows(load_motions(data), window_settings)
        embed = Cached(clip(clip_name) if clip_name else minilm(), out / "text-vectors")
        with tqdm(total=steps, desc="training", unit="step", disable=None) as bar:
            model = train(windows, embed, config, steps, seed, on_step=partial(_advance, bar))
        motions = model(sentences, seed)
        for file, motion in zip(files, motions, strict=True):
            with written.replacing(file, overwrite) as temporary:
                save_motion(temporary, motion)
        with written.replacing(film, overwrite) as temporary:
            draw_motions(temporary, motions, sentences)


def _states(data: str, out: Path) -> tuple[str, list[tuple[str, int, int]]]:
    """A source and the states of its files, without those of an output folder that lies in it."""
    if data == "deepmimic":
        return data, []
    path, _ = path_and_split(data)
    files = path.rglob("*") if path.is_dir() else [path]
    return data, states_of(file for file in files if out == path or out not in file.parents)


def _advance(bar: tqdm, done: int) -> None:
    bar.update(done - bar.n)
