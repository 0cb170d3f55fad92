"""`selfcorrect text-to-motion`: train a small model on captioned motions, then make motions from sentences."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import tyro

from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.models.diffusion.config import DiffusionConfig

from .inputs import must_be_count, sources_must_exist


@dataclass(frozen=True)
class TextToMotionCommand:
    """Train a small text-to-motion model on captioned motions, e.g. the CMU set, and write a motion per sentence."""

    sentences: tyro.conf.Positional[tuple[str, ...]]
    """What the motions shall show, e.g. "a person walks" "someone kicks"."""
    data: str
    """A dataset with captions (`selfcorrect data list`), FOLDER#SPLIT, or deepmimic (built in). Where no motion has a
    caption, labels stand in."""
    out: Path = Path("text-to-motion")
    """Folder of the new files: NN.bvh, and motions.gif with all side by side."""
    overwrite: bool = False
    """Replace files that are there already."""
    steps: int = 2000
    """Optimiser steps."""
    seed: int = 0
    clip: str = ""
    """A folder with CLIP, or its name in Hugging Face's cache; without it, the bundled sentence encoder."""
    windows: WindowSettings = field(default_factory=lambda: WindowSettings(stride=4, cap_per_label=60))
    config: DiffusionConfig = field(default_factory=lambda: DiffusionConfig(guidance_scale=2.0))

    def run(self) -> None:
        """Train, and write the motions."""
        if not self.sentences:
            raise SettingError("there is nothing to make: give at least one sentence")
        must_be_count("steps", self.steps, 10**9)
        sources_must_exist([self.data])
        from ..motion.text_to_motion import write_motions

        settings = self.windows, self.config, self.overwrite
        write_motions(self.sentences, self.data, self.out, self.steps, self.seed, self.clip, *settings)
        print(self.out)
