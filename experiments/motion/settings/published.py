"""The published experiment with the published generator: files of users, and the sizes of Gillman et al. 2024."""

from dataclasses import dataclass

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import SettingError
from selfcorrect.runtime.registry import Registry, Row

FRAMES, FPS = 40, 20.0
"""Length on which precision, recall and the like are measured: two seconds, which every motion of HumanML3D has."""
JUDGED = 546
"""Test motions of the paper."""
MDM = "mdm"
GENERATORS: Registry[Row] = Registry("published generator", [], group="selfcorrect.generators")
"""Published generators, each from a package of its own.

Each leads to a function (settings, stream) → `run.parts.GeneratorParts`.
"""
STEPS = {64: (78, 16), 128: (156, 16), 256: (312, 16), 2794: (3125, 625)}
"""Optimiser steps of generation 0 and of every later generation, by n."""


@dataclass(frozen=True)
class PublishedModel:
    """Files of the published generator and of the field's evaluator."""

    mdm: str
    """A checkpoint of MDM, or its `args.json` for weights drawn anew."""
    evaluator: str
    """Folder of the evaluator of Guo et al. 2022."""
    text_encoder: str = ""
    """Folder of CLIP (or of DistilBERT), or its name in Hugging Face's cache; by default the published model."""
    repetitions: int = 20
    """Number of times that the field's protocol evaluates the last generation of each arm."""

    def __post_init__(self) -> None:
        if not self.mdm or not self.evaluator:
            raise SettingError("the published model needs both: --mdm CHECKPOINT and --evaluator DIR")
        if MDM not in GENERATORS.names:
            raise SettingError(
                "--mdm needs the package mdm-generator: pip install ./examples/plugins/mdm_generator in a clone of "
                "the repository"
            )
        check_count("repetitions", self.repetitions, 1, 1000)


def published_steps(real_count: int) -> tuple[int, int]:
    """Optimiser steps of generation 0 and of later generations: the steps of the nearest published n, at most
    real_count.
    """
    smaller = [count for count in STEPS if count <= real_count] or [min(STEPS)]
    return STEPS[max(smaller)]
