"""Options of Weights & Biases, for Python and the command line."""

import os
from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

from ...core.checks import check_choice

WandbChoice: TypeAlias = Literal["auto", "off", "offline", "online"]


@dataclass(frozen=True)
class WandbOptions:
    """Options of Weights & Biases.

    No environment variable makes it send anything.
    """

    wandb: WandbChoice = "auto"
    """Weights & Biases. offline: write its files into the run folder. online: send them. off: neither. auto: off if
    WANDB_MODE is "disabled", otherwise offline."""
    wandb_project: str = ""
    """Project in Weights & Biases (default: WANDB_PROJECT, or selfcorrect)."""
    wandb_entity: str = ""
    """User or team in Weights & Biases (default: WANDB_ENTITY, or your own)."""

    def __post_init__(self) -> None:
        check_choice("wandb", self.wandb, get_args(WandbChoice))

    @property
    def mode(self) -> Literal["off", "offline", "online"]:
        """The mode in effect.

        "auto" never connects, whatever `WANDB_MODE` says.
        """
        if self.wandb != "auto":
            return self.wandb
        return "off" if os.environ.get("WANDB_MODE") == "disabled" else "offline"


OFF = WandbOptions("off")


WANDB_OPTIONS = tuple(option.name for option in fields(WandbOptions))
"""Names of the options, which are a group in the help of commands."""
