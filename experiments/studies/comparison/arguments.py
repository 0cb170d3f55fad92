"""Options of `sc.compare`, checked before anything runs.

Nothing here imports PyTorch, so that the command line lists the options at once.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from tyro.conf import Fixed, Suppress

from selfcorrect.core.checks import check_count, describe_value
from selfcorrect.core.errors import SettingError
from selfcorrect.loop.store.wandb_options import WandbChoice, WandbOptions

from ...jobs.runner_choice import RunnerChoice
from ...jobs.where import Where

if TYPE_CHECKING:
    from ..claims import Statement
    from ..run import Observe
else:
    Statement = Observe = Any

Direction: TypeAlias = Literal["lower", "higher", "real"] | float
"""Better direction of a quality; "real" if the value of real data is the aim, a number if that is the aim."""
DIRECTION_WORDS = ("lower", "higher", "real")
RESERVED = ("seed", "generation", "task", "arm", "group")
"""Columns of a comparison's rows; no quality can have such a name."""
_TEXTS = ("title", "command", "primary", "wandb_project", "wandb_entity")


def _are_claims(value: Any) -> bool:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return is_list and all(callable(getattr(claim, "check", None)) for claim in value)


def _are_strengths(value: Any) -> bool:
    return all(isinstance(gamma, int | float) and gamma >= 0 for gamma in value)


_EXPECTED: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    **{name: ("a string", lambda value: isinstance(value, str)) for name in _TEXTS},
    "out": ("the path of a folder", lambda value: value is None or isinstance(value, str | os.PathLike)),
    "where": ("a Where", lambda value: value is None or isinstance(value, Where)),
    "observe": ("a function", lambda value: value is None or callable(value)),
    "claims": ("a list of claims of sc.claims", _are_claims),
    "better": ("a dictionary such as {'spread': 'higher'}", lambda value: isinstance(value, Mapping)),
    "bounds": ("a dictionary such as {'share': (0, 1)}", lambda value: isinstance(value, Mapping)),
    "gammas": ("strengths γ of at least 0", _are_strengths),
}
"""Argument → what is expected, and whether a value is that."""


@dataclass(frozen=True, kw_only=True)
class ComparisonOptions(RunnerChoice, WandbOptions):
    """Options of `sc.compare`.

    `selfcorrect compare` has all that can be written in a YAML file.
    """

    wandb: WandbChoice = "off"
    """Weights & Biases: offline writes its runs into the run folder, online sends them, auto is off where WANDB_MODE is
    "disabled", and offline otherwise. Each arm and seed is a run that grows with its generations."""
    seeds: int = 5
    """Number of seeds. Every arm runs once per seed; arms of a seed share generation 0 and the random numbers."""
    first_seed: int = 0
    """First seed."""
    workers: int | None = None
    """Number of worker processes (default: one per core, as far as memory allows). Results do not depend on it."""
    better: dict[str, Direction] = field(default_factory=dict)
    """Better direction of each quality: lower, higher, real if the value of real data is the aim, or a number that is
    the aim. Only qualities named here are compared."""
    title: str = ""
    """Title of the report."""
    repair: bool = False
    """Run damaged, missing and misplaced generations again."""
    accept_changed: bool = False
    """Resume although code or data changed since the run began. The run folder records both versions."""
    primary: str = ""
    """The quality that decides, named before the run: its differences are a family of tests of their own."""
    bounds: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Least and greatest value of each quality that has them, such as 0 and 1 of a share: intervals stay within."""
    gammas: tuple[float, ...] = ()
    """Strengths γ: each arm with a correction is run once with each. Results have them in `strength`."""
    copying: bool = False
    """Add the arm "copying": the first uncorrected loop on synthetic samples only, without a model. Training samples of
    the right label are drawn at random and copied, so that only neutral drift is left."""
    real_counts: tuple[int, ...] = ()
    """Numbers n of real training samples: each task is run once with each. Results have them in `real_count`."""
    out: Suppress[Fixed[str | Path | None]] = None
    """Run folder, by default none is kept. Called again, it resumes byte for byte. With more seeds, arms or generations
    it computes only these."""
    command: Suppress[Fixed[str]] = ""
    """Command that does it again, for the report."""
    where: Suppress[Fixed[Where | None]] = None
    """Where the jobs run, such as other machines, instead of `workers` and `runner`."""
    observe: Suppress[Fixed[Observe | None]] = None
    """Function that gets a dictionary for each committed generation of each arm, from generation 0 on: task, arm, seed,
    generation, and what was measured."""
    claims: Suppress[Fixed[Sequence[Statement]]] = ()
    """Statements to check, made by `sc.claims`. They name an arm after its task if there are several."""
    reference: Suppress[Fixed[str | Mapping[str, str]]] = ""
    """Name of the arm that all others are compared with, or arm → reference for some. By default an arm with a
    correction is compared with the same arm without, any other with the one on real data alone."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, (expected, is_expected) in _EXPECTED.items():
            value = getattr(self, name)
            if not is_expected(value):
                raise SettingError(f"{name} must be {expected}, got {describe_value(value)}")
        check_count("seeds", self.seeds, 1)
        check_count("first_seed", self.first_seed, 0)
        if self.workers is not None:
            check_count("workers", self.workers, 1)
        for count in self.real_counts:
            check_count("real_counts", count, 1)
        for name, direction in self.better.items():
            is_number = isinstance(direction, int | float) and not isinstance(direction, bool)
            if direction not in DIRECTION_WORDS and not (is_number and math.isfinite(direction)):
                expected = "lower, higher, real, or a number that is the aim"
                raise SettingError(f"`better` says {direction!r} of {name!r}, expected {expected}")
        for name, pair in self.bounds.items():
            is_pair = isinstance(pair, Sequence) and len(pair) == 2
            if not is_pair or not all(isinstance(end, int | float) for end in pair) or not pair[0] < pair[1]:
                expected = "the lowest and the highest value, such as (0, 1)"
                raise SettingError(f"`bounds` of {name!r} must be {expected}; got {pair!r}")

    def check_measured(self, measured: Sequence[str]) -> None:
        """Raise SettingError if an option names an unmeasured quality."""
        named = {"better": self.better, "bounds": self.bounds, "primary": [self.primary] if self.primary else []}
        for option, names in named.items():
            if unknown := [name for name in names if name not in measured]:
                listed = ", ".join(measured)
                raise SettingError(
                    f"`{option}` names {unknown[0]!r}, which the evaluation does not measure; it measures {listed}"
                )


DEFAULT_COMPARISON = ComparisonOptions()


def choose_references(
    usual: Mapping[str, str], arms: Sequence[str], reference: str | Mapping[str, str]
) -> dict[str, str]:
    """Choose the reference of each arm, by name; arms without a reference are left out.

    Args:
        usual: References without the user's choice.
        reference: The arm that all others are compared with, or arm → reference for some; "" for the usual ones.

    Raises:
        SettingError: There is no such arm.
    """
    if not reference:
        return dict(usual)
    is_common = isinstance(reference, str)
    chosen = {arm: reference for arm in arms if arm != reference} if isinstance(reference, str) else reference
    if not isinstance(chosen, Mapping):
        raise SettingError(f"reference must be the name of an arm, or arm → reference, got {describe_value(reference)}")
    for arm, other in chosen.items():
        if unknown := [name for name in (arm, other) if name not in arms]:
            raise SettingError(f"reference names {unknown[0]!r}, which is not an arm; the arms are {', '.join(arms)}")
    return dict(chosen) if is_common else {**usual, **chosen}


def check_qualities(task: str, names: Sequence[Any]) -> None:
    """Check the qualities of an evaluation.

    Raises SettingError where the evaluation of a task measures nothing, or what no column of the results can be.
    """
    if not names:
        raise SettingError(
            f"the evaluation of task {task!r} measures nothing; it returns numbers by name: {{name: number}}"
        )
    for name in names:
        if not isinstance(name, str) or not name.strip():
            raise SettingError(f"the evaluation of task {task!r} names a quality {name!r}; a name must be a string")
        if name in RESERVED:
            raise SettingError(
                f"the evaluation of task {task!r} names a quality {name!r}, which is a column of the results; rename it"
            )
