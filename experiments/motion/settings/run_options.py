"""How a motion experiment runs: where it computes, what it keeps, how it treats correctors of users."""

from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from tyro.conf import arg

from selfcorrect.core.errors import SettingError

Keep: TypeAlias = Literal["all", "needed", "sampling"]


@dataclass(frozen=True)
class RunOptions:
    """How an experiment runs. Of these, `device` and `accelerated` change results, as another machine does."""

    corrector_timeout_s: Annotated[float | None, arg(name="corrector-timeout")] = None
    """Seconds after which a call of your own corrector, for one motion or one batch, ends the run."""
    corrector_in_process: bool = False
    """Run correctors of your own in the processes of the runs: each starts some seconds sooner, and can end or hang its
    run."""
    accept_changed: Annotated[bool, arg(aliases=("--accept-changed-corrector",))] = False
    """Resume with correctors, denoisers or data of yours that were changed since the run began. The run folder records
    both."""
    keep: Keep | None = None
    """Of models and samples: all; needed, the last ones, from which a run can be extended; sampling, of the last models
    what draws samples. By default all, in the preset short sampling. While it runs, any run can be resumed."""
    repair: bool = False
    """Do generations again that are not what was written; `selfcorrect verify` finds them."""
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
