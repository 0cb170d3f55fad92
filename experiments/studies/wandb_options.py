"""Weights & Biases as options of a command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from selfcorrect.storage.runs.tracking import WandbTarget


@dataclass(frozen=True)
class WandbOptions:
    """Options of Weights & Biases. No variable of the environment sends anything."""

    wandb: Literal["auto", "off", "offline", "online"] = "auto"
    """Weights & Biases: offline writes its files into the run folder, online sends them, auto is off where WANDB_MODE
    is "disabled", and offline otherwise."""
    wandb_project: str = ""
    """Its project; by default WANDB_PROJECT, or selfcorrect."""
    wandb_entity: str = ""
    """Its user or team; by default WANDB_ENTITY, or your own."""

    @property
    def target(self) -> WandbTarget:
        """The same for the engine."""
        from selfcorrect.storage.runs.tracking import WandbTarget

        return WandbTarget(self.wandb, self.wandb_project, self.wandb_entity)
