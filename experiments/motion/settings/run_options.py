"""Options for running a motion experiment: device, kept files, treatment of users' correctors."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from tyro.conf import arg

from selfcorrect.core.errors import SettingError

Keep: TypeAlias = Literal["all", "needed", "sampling"]


@dataclass(frozen=True)
class RunOptions:
    """Options for running an experiment. Only `device` and `accelerated` change results, as another machine does."""

    corrector_timeout_s: Annotated[float | None, arg(name="corrector-timeout")] = None
    """Seconds after which a call of your own corrector, for a motion or a batch, ends the run."""
    corrector_in_process: bool = False
    """Run correctors of your own in the processes of the runs: each starts some seconds sooner, and can end or hang its
    run."""
    accept_changed: Annotated[bool, arg(aliases=("--accept-changed-corrector",))] = False
    """Resume with correctors, denoisers or data of yours that were changed since the run began. The run folder records
    both."""
    keep: Keep | None = None
    """Models and samples to keep: all; needed, the last generations, from which a run can be extended; sampling, the
    part of the last models that draws samples. By default all; the preset short keeps sampling. While it runs, any run
    can be resumed."""
    repair: bool = False
    """Do damaged generations again; `selfcorrect verify` finds them."""
    device: str = "auto"
    """auto, cpu, cuda, cuda:1, …"""
    accelerated: bool = False
    """For GPUs: bfloat16, a compiled network, data on the device, divergence looked for every 50 steps. Changes results
    as another device does. For several GPUs, on which a batch is shared, see docs/scale.md."""

    def __post_init__(self) -> None:
        if self.corrector_timeout_s is not None and not 0 < self.corrector_timeout_s < 1e6:
            raise SettingError(
                f"corrector-timeout must be a positive number of seconds, got {self.corrector_timeout_s}"
            )
        if self.corrector_timeout_s is not None and self.corrector_in_process:
            raise SettingError("corrector-timeout needs a separate process; leave out corrector-in-process")


DEFAULTS = RunOptions()
