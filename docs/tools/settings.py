"""Write docs/results/settings.csv: every number of three presets, its unit, its meaning and how it was chosen."""

from __future__ import annotations

import ast
import csv
import inspect
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from itertools import chain, pairwise
from pathlib import Path

from selfcorrect.simulators.presets import FILES, RESIDUAL_FREE, SAMPLES

TABLE = Path(__file__).resolve().parents[1] / "results" / "settings.csv"
PIPELINES = {
    "files": FILES.corrector().pipeline,
    "residual-free": RESIDUAL_FREE.corrector("mujoco").pipeline,
    "samples": SAMPLES.corrector().pipeline,
}
"""Pipeline of each preset."""

UNITS = {
    "_m_s3": "m/s³", "_m_s2": "m/s²", "_m_s": "m/s", "_rad_s": "rad/s", "_windows_per_s": "1/s", "_kgm2": "kg m²",
    "_bodyweights": "body weights", "_nm": "N m", "_hz": "Hz", "_fps": "frames/s", "_frames": "frames", "_deg": "°",
    "_rad": "rad", "_kg": "kg", "_m": "m", "_n": "N", "_s": "s",
}  # fmt: skip
"""Of names that end so; others are shares, factors, weights or counts."""


@dataclass(frozen=True)
class Number:
    """A number of a preset."""

    name: str
    value: float
    meaning: str
    chosen: str

    @property
    def unit(self) -> str:
        """What it is measured in, "" for a share, a factor, a weight or a count."""
        bare = re.sub(r"\[\d+\]", "", self.name)
        return next((unit for end, unit in UNITS.items() if bare.endswith(end)), "")


def numbers(value: object, path: str, meaning: str = "", chosen: str = "") -> Iterator[Number]:
    """The numbers in settings, whatever they are nested in."""
    if isinstance(value, bool) or value is None:
        return
    if isinstance(value, int | float):
        yield Number(path, value, meaning, chosen)
    elif isinstance(value, tuple):
        for index, one in enumerate(value):
            yield from numbers(one, f"{path}[{index}]", meaning, chosen)
    elif is_dataclass(value):
        own = chosen_by(type(value)) or chosen
        for field in fields(value):
            meanings = meanings_of(type(value))
            yield from numbers(getattr(value, field.name), f"{path}.{field.name}", meanings.get(field.name, ""), own)


def chosen_by(kind: type) -> str:
    """The sentences of a class that say how its numbers were chosen, "" where none does."""
    sentences = re.split(r"(?<=[.;]) +", " ".join((kind.__doc__ or "").split()))
    return " ".join(one for one in sentences if re.search(r"\b[Ss]et (by|on)\b|\bset by hand|were set\b|advise", one))


@cache
def meanings_of(kind: type) -> dict[str, str]:
    """What each field of a class means."""
    (parsed,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(parsed, ast.ClassDef)
    inherited = [meanings_of(base) for base in kind.__bases__ if is_dataclass(base)]
    return dict(chain(*(own.items() for own in inherited))) | {
        one.target.id: " ".join(str(other.value.value).split())
        for one, other in pairwise(parsed.body)
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        and isinstance(other, ast.Expr) and isinstance(other.value, ast.Constant)
    }  # fmt: skip


def numbers_of(preset: str) -> dict[str, Number]:
    """The numbers of a preset by name: those of its steps, and of plan, simulation and verdict."""
    pipeline = PIPELINES[preset]
    found = []
    for step in (*pipeline.cleanup.steps, *pipeline.postprocess):
        found += numbers(step, type(step).__name__)
    found += numbers(pipeline.tracker, "tracker")
    return {number.name.replace(".settings", ""): number for number in found}


def table() -> str:
    """All numbers as CSV, one a row, with their value in each preset, empty where it has none."""
    by_preset = {preset: numbers_of(preset) for preset in PIPELINES}
    names = dict.fromkeys(name for own in by_preset.values() for name in own)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "unit", *PIPELINES, "meaning", "chosen"])
    for name in names:
        first = next(own[name] for own in by_preset.values() if name in own)
        values = [f"{own[name].value:.6g}" if name in own else "" for own in by_preset.values()]
        writer.writerow([name, first.unit, *values, first.meaning, first.chosen])
    return text.getvalue()


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
