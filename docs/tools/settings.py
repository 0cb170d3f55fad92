"""Tabulate every number of three presets with unit, meaning and origin: results/settings.csv of the site."""

import ast
import csv
import inspect
import io
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from itertools import chain, pairwise
from types import ModuleType
from typing import NamedTuple

from selfcorrect.core.field_docs import read_field_docs
from selfcorrect.simulators.presets import FILES, RESIDUAL_FREE_PRESET, SAMPLES

PIPELINES = {"files": FILES, "residual-free": RESIDUAL_FREE_PRESET, "samples": SAMPLES}
"""Pipeline of each preset."""

UNITS = {
    "_m_s3": "m/s³", "_m_s2": "m/s²", "_m_s": "m/s", "_rad_s": "rad/s", "_windows_per_s": "1/s", "_kgm2": "kg m²",
    "_bodyweights": "body weights", "_nm": "N m", "_hz": "Hz", "_fps": "frames/s", "_frames": "frames", "_deg": "°",
    "_rad": "rad", "_kg": "kg", "_m": "m", "_n": "N", "_s": "s",
}  # fmt: skip
"""Unit by the suffix of a name; numbers without one are shares, factors, weights or counts."""


class Number(NamedTuple):
    """A number of a preset."""

    value: float
    meaning: str
    choice: str
    """Sentences on how the numbers of its class were chosen."""


def find_numbers(value: object, path: str, meaning: str = "", choice: str = "") -> Iterator[tuple[str, Number]]:
    """Yield numbers of nested settings with paths.

    Args:
        value: A number, a tuple or a dataclass of settings; all else is skipped.
        path: Name of the value, such as "tracker.engine".
        meaning: Docstring of the field that holds it.
        choice: Sentences on how its class was set.
    """
    if isinstance(value, tuple):
        for index, entry in enumerate(value):
            yield from find_numbers(entry, f"{path}[{index}]", meaning, choice)
    elif is_dataclass(value):
        kind_choice = find_choice(type(value)) or choice
        meanings = read_field_docs(type(value))
        for field in fields(value):
            field_meaning = " ".join(meanings.get(field.name, "").split())
            yield from find_numbers(getattr(value, field.name), f"{path}.{field.name}", field_meaning, kind_choice)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, Number(value, meaning, choice)


def find_choice(owner: type | ModuleType) -> str:
    """Find how a class's numbers were chosen.

    Returns the sentences of a class or module on it, "" without any.
    """
    sentences = re.split(r"(?<=[.;]) +", " ".join((owner.__doc__ or "").split()))
    pattern = re.compile(r"\b[Ss]et (by|on)\b|\bset by hand|were set\b|advise")
    return " ".join(sentence for sentence in sentences if pattern.search(sentence))


def find_constants(module: ModuleType, kinds: Sequence[type], choice: str) -> Iterator[tuple[str, Number]]:
    """Yield a module's documented numbers by name: that of its only step, or of the module if it has several.

    Args:
        module: Module of steps, or a helper of such a module.
        kinds: Steps of the module.
        choice: How the numbers of the step that uses a helper were chosen.
    """
    owner = kinds[0] if len(kinds) == 1 else module
    start = owner.__name__.rpartition(".")[2]
    for statement, following in pairwise(ast.parse(inspect.getsource(module)).body):
        match statement, following:
            case ast.Assign(targets=[ast.Name(id=name)]), ast.Expr(value=ast.Constant(value=str(text))):
                value = getattr(module, name)
                path = f"{start}.{name.strip('_').lower()}"
                if not is_dataclass(value):
                    yield from find_numbers(value, path, " ".join(text.split()), find_choice(owner) or choice)


def find_helpers(module: ModuleType) -> Iterator[ModuleType]:
    """Yield the modules of a step's package whose functions and classes its module uses."""
    for value in vars(module).values():
        helper = getattr(value, "__module__", module.__name__)
        if helper != module.__name__ and helper.rpartition(".")[0] == module.__package__:
            yield sys.modules[helper]


def list_preset(preset: str) -> dict[str, Number]:
    """List a preset's numbers by name.

    Numbers of its steps come first, then those of plan, simulation and verdict.
    """
    pipeline = PIPELINES[preset]
    numbers = []
    steps = (*pipeline.cleanup.steps, *pipeline.postprocess)
    kinds_by_module: dict[ModuleType, list[type]] = {}
    for kind in dict.fromkeys(map(type, steps)):
        kinds_by_module.setdefault(sys.modules[kind.__module__], []).append(kind)
    listed: set[ModuleType] = set()
    for step in steps:
        numbers += find_numbers(step, type(step).__name__)
        modules = [sys.modules[type(step).__module__]]
        for module in modules:  # grows by helpers, each of which is listed once
            if module in listed:
                continue
            listed.add(module)
            numbers += find_constants(module, kinds_by_module.get(module, ()), find_choice(type(step)))
            modules += [helper for helper in find_helpers(module) if helper not in kinds_by_module]
    numbers += find_numbers(pipeline.tracker, "tracker")
    return {path.replace(".settings", ""): number for path, number in numbers}


def table() -> str:
    """Return all numbers as CSV, by preset.

    Each has a row with its value in each preset, empty without one.
    """
    presets = [list_preset(preset) for preset in PIPELINES]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "unit", *PIPELINES, "meaning", "chosen"])
    for name in dict.fromkeys(chain(*presets)):
        first = next(numbers[name] for numbers in presets if name in numbers)
        values = [f"{numbers[name].value:.6g}" if name in numbers else "" for numbers in presets]
        quantity = re.sub(r"\[\d+\]", "", name)
        unit = next((unit for suffix, unit in UNITS.items() if quantity.endswith(suffix)), "")
        writer.writerow([name, unit, *values, first.meaning, first.choice])
    return text.getvalue()
