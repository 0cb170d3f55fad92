"""Arguments of a published checkpoint of the motion diffusion model, read from its `args.json`."""

from dataclasses import dataclass, fields
from pathlib import Path

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.models.diffusion.config import DiffusionConfig
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
_OFF = ("unconstrained", "multi_target_cond", "context_len", "pred_len")
"""Variants of the model that are not read here: conditions other than text, completion of a prefix."""


@dataclass(frozen=True)
class MdmArguments:
    """The entries of `args.json` that matter here; those that a file lacks have the defaults of its program."""

    layers: int = 8
    latent_dim: int = 512
    """Channels of the transformer."""
    mask_frames: bool = False
    """Attention leaves out the frames after a motion's end."""
    diffusion_steps: int = 1000
    cond_mask_prob: float = 0.1
    """Probability that a training sample's caption is hidden."""
    batch_size: int = 64
    lr: float = 1e-4
    weight_decay: float = 0.0
    adam_beta2: float = 0.999
    avg_model_beta: float = 0.9999
    """Decay of the running average of the weights, where a checkpoint has one."""
    lambda_rcxyz: float = 0.0
    lambda_vel: float = 0.0
    lambda_fc: float = 0.0
    """Weights of geometric losses, which were 0 for HumanML3D."""

    @property
    def has_geometric_losses(self) -> bool:
        """True if training had losses beside the one that is implemented here."""
        return max(self.lambda_rcxyz, self.lambda_vel, self.lambda_fc) > 0

    def config(self, *, averaged: bool = False) -> DiffusionConfig:
        """Return the settings of this package: ancestral sampling with all steps, training as its program does.

        averaged: sample with the running average of the weights, not with the last weights.
        """
        guided = self.cond_mask_prob > 0
        return DiffusionConfig(
            denoiser="transformer",
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
            ema_decay=self.avg_model_beta if averaged else 0.0,
        )


def read_arguments(path: Path) -> MdmArguments:
    """Return the arguments in a file `args.json`; InputError, naming the entry, for a model that is not read here."""
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
