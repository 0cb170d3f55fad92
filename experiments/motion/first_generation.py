"""The key of a generation 0, by which a run finds the generation in neighbouring run folders."""

import hashlib
import json
from dataclasses import fields, is_dataclass

import numpy as np
import torch

from selfcorrect.models.diffusion.denoiser_table import DENOISERS
from selfcorrect.models.diffusion.model import choose_device
from selfcorrect.models.diffusion.presets import preset

from ..jobs.input_keys import CODE_OF_LOOPS, digest_software
from ..studies.study import SeedRun
from .settings import MotionSettings, RunOptions
from .task import MotionTask

AFTER_GENERATION_0 = ("engine", "evaluate_corrected", "feasibility_count", "steps")
"""Settings of an arm that do not change generation 0."""


def key_first_generation(settings: MotionSettings, options: RunOptions, run: SeedRun, task: MotionTask) -> str:
    """Return the key of generation 0: settings, data, code and processor.

    It is "" if code of other packages makes generation 0, or a processor that need not give the same bytes again.
    """
    denoiser = preset(run.task).config.denoiser
    if settings.generator or DENOISERS.is_added(denoiser) or choose_device(options.device).type != "cpu":
        return ""
    arm_settings = settings.arm_settings(run.task)
    values = {name: value for name, value in arm_settings.items() if name not in AFTER_GENERATION_0}
    processor = torch.backends.cpu.get_cpu_capability()
    text = json.dumps([run.task, run.seed, values, processor, digest_software(CODE_OF_LOOPS)], sort_keys=True)
    digest = hashlib.blake2b(text.encode(), digest_size=16)
    _add_to_digest(digest, task.data)
    return digest.hexdigest()


def _add_to_digest(digest: hashlib.blake2b, value: object) -> None:
    """Add all arrays and values of a dataclass to a digest."""
    if is_dataclass(value):
        for field in fields(value):
            digest.update(field.name.encode())
            _add_to_digest(digest, getattr(value, field.name))
    elif isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        digest.update(f"{value.dtype}{value.shape}".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif isinstance(value, tuple | list | np.ndarray):
        digest.update(f"{len(value)} values".encode())
        for item in value:
            _add_to_digest(digest, item)
    else:
        digest.update(repr(sorted(value) if isinstance(value, frozenset) else value).encode())
