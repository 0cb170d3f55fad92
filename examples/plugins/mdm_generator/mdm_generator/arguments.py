"""Read the `args.json` of a published checkpoint of the motion diffusion model."""

from dataclasses import dataclass, fields
from pathlib import Path

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.loop.models.diffusion.config import DiffusionConfig
from selfcorrect.storage.files.strict_json import read_as, read_json

GUIDANCE = 2.5
"""Scale of classifier-free guidance with which the published figures are sampled."""

COLUMNS = 263
"""D, numbers per frame of HumanML3D."""
HEADS = 4
FEED_FORWARD = 1024
DROPOUT = 0.1
"""Settings of every published checkpoint that `args.json` does not have: heads, width of the feed-forward, dropout."""
TEXT_WIDTH = 512
"""Numbers per caption that CLIP encoded."""
_NO_CLIPPING = 1e9

_CHOICES = {
    "dataset": ("humanml",),
    "arch": ("trans_enc",),
    "text_encoder_type": ("clip",),
    "noise_schedule": ("cosine",),
    "emb_policy": ("add",),
    "cond_mode": ("text",),
    "sigma_small": (True,),
}
"""Values that are read here; what is not named may have any value."""
_OFF = (
    "unconstrained", "multi_target_cond", "context_len", "pred_len", "mask_frames", "lambda_rcxyz", "lambda_vel",
    "lambda_fc",
)  # fmt: skip
"""Variants of the model that are not read here: conditions other than text, completion of a prefix, attention within a
motion's end, geometric losses."""


@dataclass(frozen=True)
class MdmArguments:
    """The entries of `args.json` that matter.

    Entries that a file lacks have the defaults of its program.
    """

    layers: int = 8
    latent_dim: int = 512
    """Channels of the transformer."""
    diffusion_steps: int = 1000
    cond_mask_prob: float = 0.1
    """Probability that a training sample's caption is hidden."""
    batch_size: int = 64
    lr: float = 1e-4
    weight_decay: float = 0.0
    adam_beta2: float = 0.999

    def config(self) -> DiffusionConfig:
        """Return the settings of this package.

        Sampling is ancestral with all steps, training as its program does.
        """
        guided = self.cond_mask_prob > 0
        return DiffusionConfig(
            denoiser="transformer",
            training="plain",
            width=self.latent_dim,
            depth=self.layers,
            dropout=DROPOUT,
            diffusion_steps=self.diffusion_steps,
            sampler="ddim",
            eta=1.0,
            sampling_steps=self.diffusion_steps,
            guidance_scale=GUIDANCE if guided else 1.0,
            label_dropout=self.cond_mask_prob,
            learning_rate=self.lr,
            fine_tune_learning_rate=self.lr,
            final_learning_rate=1.0,
            warm_up_steps=0,
            batch_size=self.batch_size,
            weight_decay=self.weight_decay,
            adam_beta2=self.adam_beta2,
            gradient_norm=_NO_CLIPPING,
            ema_decay=0.0,
        )


def read_arguments(path: Path) -> MdmArguments:
    """Read `args.json`.

    InputError, naming the entry, for a model that is not read here.
    """
    if not path.is_file():
        raise InputError(f"{path}: is not there; expected the arguments that MDM writes beside its checkpoints")
    written = read_json(path)
    if not isinstance(written, dict):
        raise InputError(f"{path}: expected an object with MDM's arguments, got {type(written).__name__}")
    for name, values in _CHOICES.items():
        if name in written and written[name] not in values:
            expected = " or ".join(map(str, values))
            raise InputError(f"{path}: {name} is {str(written[name])[:40]!r}, and only {expected} is read here")
    for name in _OFF:
        if written.get(name):
            raise InputError(f"{path}: {name} is {str(written[name])[:40]}; such a variant of MDM is not read here")
    known = {entry.name: written[entry.name] for entry in fields(MdmArguments) if entry.name in written}
    arguments = read_as(MdmArguments, known, path)
    try:
        arguments.config()  # checks numbers
    except SettingError as error:
        raise InputError(f"{path}: {error}") from error
    return arguments
