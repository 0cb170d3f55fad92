"""Options of toy loops.

λ, γ, n, generations, epochs and seeds have the same name for all loops. Nothing here imports PyTorch, so that the
command line can list the options at once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import arg

from selfcorrect.core.checks import check_count
from selfcorrect.core.errors import SettingError

SETTINGS = {
    "n": ("sizes", "real_count", "samples"),
    "synthetic_ratio": ("ratios", "ratio", "synthetic_per_real"),
    "gamma": ("strengths", "strength"),
    "generations": ("generations",),
    "epochs": ("epochs",),
    "seeds": ("seeds",),
    "seed": ("seed",),
    "text": ("text",),
    "mnist": ("mnist",),
}
"""Option → the fields of a toy's settings that it sets; several values go into a field that holds several."""
BOUNDS = {"n": (2, 1_000_000), "generations": (1, 100_000), "seeds": (1, 10_000), "seed": (0, 2**32 - 1)}
"""Least and largest value of options that are whole numbers."""


@dataclass(frozen=True)
class ToyOptions:
    """Settings in place of the loops'; a loop without a setting keeps its own."""

    n: Annotated[tuple[int, ...], arg(help_behavior_hint="")] = ()
    """Number of real training samples. Several are arms or sizes of a loop that compares them."""
    synthetic_ratio: Annotated[tuple[float, ...], arg(help_behavior_hint="")] = ()
    """λ, synthetic samples per real sample."""
    gamma: Annotated[tuple[float, ...], arg(help_behavior_hint="")] = ()
    """γ, correction strength."""
    generations: int | None = None
    """Generations after generation 0."""
    epochs: float | None = None
    """Passes over the training set per generation, for loops with networks."""
    seeds: int | None = None
    """Number of seeds."""
    seed: int | None = None
    """The first seed."""
    text: Path | None = None
    """Plain-text file for the language loop, instead of the documentation of Python's standard library."""
    mnist: Path | None = None
    """Folder with MNIST's idx files for loops of digits, instead of scikit-learn's 8×8 digits."""

    def select_given(self) -> dict[str, Any]:
        """Return the options that are given, by name."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None and value != ()}

    def check(self) -> None:
        """Raise SettingError for options out of bounds."""
        for name, value in self.select_given().items():
            for number in value if isinstance(value, tuple) else (value,):
                if name in BOUNDS:
                    check_count(name, number, *BOUNDS[name])
                elif name in ("synthetic_ratio", "gamma") and not number >= 0:
                    raise SettingError(f"{format_option(name)} must be at least 0, got {number:g}")
                elif name == "epochs" and not 0 < number < math.inf:
                    raise SettingError(f"epochs must be a positive number, got {number:g}")


def change_settings(toy: str, settings: Any, options: ToyOptions) -> tuple[Any, list[str]]:
    """Apply options to a toy's settings.

    Returns:
        The new settings, and the names of given options for which the toy has no setting.

    Raises:
        SettingError: An option is out of its bounds, or the toy takes one value and several are given.
    """
    options.check()
    field_names = {field.name for field in fields(settings)}
    changes: dict[str, Any] = {}
    missing = []
    for option, value in options.select_given().items():
        names = [name for name in SETTINGS[option] if name in field_names]
        if not names:
            missing.append(option)
        for name in names:
            changes[name] = _fit_value(toy, option, value, getattr(settings, name), is_only=len(names) == 1)
    return replace(settings, **changes), missing


def _fit_value(toy: str, option: str, value: Any, current: Any, *, is_only: bool) -> Any:
    """Fit an option's value to a field: all numbers if the field holds several, else a single number, the first of
    several.
    """
    if not isinstance(value, tuple) or isinstance(current, tuple):
        return value
    numbers = list(value)
    if len(numbers) > 1 and is_only:
        listed = ", ".join(f"{number:g}" for number in numbers)
        raise SettingError(f"toy {toy} takes one --{format_option(option)}, got {listed}")
    return numbers[0]


def check_missing(missing: Sequence[Sequence[str]], toys: Sequence[str]) -> None:
    """Raise SettingError for options for which no toy has a setting."""
    for option in missing[0] if missing else ():
        if all(option in lacking for lacking in missing):
            raise SettingError(f"--{format_option(option)} is not a setting of {', '.join(toys)}")


def format_option(name: str) -> str:
    """Return an option's name as on the command line, without the leading dashes."""
    return name.replace("_", "-")
