"""What is shown of a toy, derived from what it declares and what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from selfcorrect.statistics import CollapseFinding, collapse_profile

from ..studies.claims import Check, Curves
from .declaration import START, Column, Sweep, Titled, Toy
from .result import Ends, Line, Panel, Pictures, Result, Scatter, Shown

FEW = 3
"""So many statements that do not hold are named in the sentence on top."""


def describe(toy: Toy, curves: Curves, shown: Shown) -> Result:
    """What measured curves say of a toy."""
    checks = [claim.check(curves) for claim in toy.claims]
    ends = ends_of(toy, curves, checks)
    figures = [_swept(one, curves, toy.caveat) if isinstance(one, Sweep) else one(curves) for one in toy.figures]
    return Result(
        reading=reading(ends, checks),
        checks=checks,
        ends=ends,
        figures=[*figures, *_panels(toy, curves), *_looks(shown)],
        profiles=_profiles(toy, curves),
        notes=toy.notes,
    )


def reading(ends: Ends, checks: Sequence[Check]) -> str:
    """What came out: where arms ended in the first column, and how many statements hold."""
    held = sum(check.outcome == "holds" for check in checks)
    titles = [ends.title] if ends.title else [title for title in ends.columns if not title.startswith("predicted")][:2]
    ranges = [_range(title, ends) for title in titles]
    others = [check.statement for check in checks if check.outcome != "holds"]
    named = [f"Not borne out: {'; '.join(others)}."] if 0 < len(others) <= FEW else []
    return " ".join([*filter(None, ranges), f"{held} of {len(checks)} statements hold.", *named])


def _range(title: str, ends: Ends) -> str:
    """Lowest and highest number of a column, or of all columns where they show the same quantity."""
    chosen = [column for column in ends.columns if not column.startswith("predicted")] if ends.title else [title]
    cells = {
        f"{row}, {column}" if ends.title else row: cell
        for row, every in ends.rows.items()
        for column, cell in zip(ends.columns, every, strict=True)
        if row != START and column in chosen and cell
    }
    numbers = {name: _number(cell) for name, cell in cells.items()}
    if None in numbers.values() or len(set(cells.values())) < 2:
        return ""
    low, *_, high = sorted(cells, key=lambda name: numbers[name] or 0.0)
    return f"{title[0].upper()}{title[1:]}: {cells[low]} ({low}) to {cells[high]} ({high})."


def _number(cell: str) -> float | None:
    try:
        return float(cell.strip("%×"))
    except ValueError:
        return None


def ends_of(toy: Toy, curves: Curves, checks: Sequence[Check]) -> Ends:
    """Where arms ended; without columns what a sweep shows, without either what was claimed."""
    columns = [column for column in toy.columns if column.form]
    if not columns:
        sweep = next((one for one in toy.figures if isinstance(one, Sweep)), None)
        rows = {check.statement: [check.measured, check.predicted] for check in checks}
        return _by_setting(sweep, curves) if sweep else Ends(["measured", "predicted"], rows)
    if toy.groups and toy.rows is None and len(columns) == 1:
        return _by_group(columns[0], groups_of(toy, curves), curves)
    return _by_arm(toy, curves, columns)


def titled(arms: Titled) -> Mapping[str, str]:
    """Arms by title."""
    return arms if isinstance(arms, Mapping) else {arm: arm for arm in arms}


def groups_of(toy: Toy, curves: Curves) -> dict[str, Mapping[str, str]]:
    """Group → title → arm; without groups "" has all arms."""
    if isinstance(toy.groups, Mapping):
        return {group: titled(arms) for group, arms in toy.groups.items()}
    found: dict[str, dict[str, str]] = {group: {} for group in toy.groups or ()}
    for arm in curves:
        for group in sorted(found, key=len)[::-1]:  # a longer name may begin with a shorter one
            if arm.startswith(f"{group}, "):
                found[group][arm.removeprefix(f"{group}, ")] = arm
                break
    return {**found} or {"": titled(list(curves))}


def _by_setting(sweep: Sweep, curves: Curves) -> Ends:
    lines = {name: np.array([one.per_seed(curves).mean() for one in line]) for name, line in sweep.lines.items()}
    lines |= {f"predicted {name}" if name in lines else name: law for name, law in sweep.predicted.items()}
    rows = {
        f"{sweep.x_label} {x:.3g}": [format(line[at], sweep.form) for line in lines.values()]
        for at, x in enumerate(sweep.x)
    }
    return Ends(list(lines), rows, sweep.y_label)


def _by_group(column: Column, groups: Mapping[str, Mapping[str, str]], curves: Curves) -> Ends:
    titles = list(dict.fromkeys(title for arms in groups.values() for title in arms))
    rows = {
        group: [column.cell(curves[arms[title]]) if title in arms else "" for title in titles]
        for group, arms in groups.items()
    }
    return Ends(titles, rows, column.title)


def _by_arm(toy: Toy, curves: Curves, columns: Sequence[Column]) -> Ends:
    chosen = titled(list(curves) if toy.rows is None else toy.rows)
    titles = [title for one in columns for title in (one.title, one.predicted_title) if title]
    cells = {}
    for title, arm in chosen.items():
        cells[title] = []
        for one in columns:
            table = next(each for each in curves.values() if one.key in each) if arm == START else curves[arm]
            cells[title].append(one.cell(table, 0 if arm == START else -1))
            if one.predicted_title:
                cells[title].append(format(one.predicted[arm][-1], str(one.form)) if arm in one.predicted else "")
    return Ends(titles, cells)


def _swept(sweep: Sweep, curves: Curves, caveat: str) -> Panel:
    lines = [
        Line(name, np.stack([one.per_seed(curves) for one in line], axis=1), sweep.predicted.get(name))
        for name, line in sweep.lines.items()
    ]
    alone = [Line(name, None, values) for name, values in sweep.predicted.items() if name not in sweep.lines]
    x, caveat = np.array(sweep.x), caveat if sweep.predicted else ""
    return Panel(sweep.title, sweep.x_label, sweep.y_label, x, [*lines, *alone], log_x=sweep.log, caveat=caveat)


def _panels(toy: Toy, curves: Curves) -> Iterator[Panel]:
    """A panel for each quantity and group of arms that have it."""
    for group, arms in groups_of(toy, curves).items():
        for column in (column for column in toy.columns if column.panel):
            lines = [
                Line(title, curves[arm][column.key], _predicted(column, arm, curves))
                for title, arm in arms.items()
                if column.key in curves[arm]
            ]
            if lines:
                yield _panel(f"{column.title}: {group}" if group else column.title, column, lines, curves, toy.caveat)


def _predicted(column: Column, arm: str, curves: Curves) -> np.ndarray | None:
    if column.predicted_by:
        return curves[arm][column.predicted_by].mean(axis=0)
    return column.predicted.get(arm)


def _panel(title: str, column: Column, lines: Sequence[Line], curves: Curves, caveat: str) -> Panel:
    alone = [Line(name, None, values) for name, values in column.predicted.items() if name not in curves]
    assert lines[0].values is not None
    generations = np.arange(lines[0].values.shape[1])
    caveat = caveat if column.predicted else ""
    return Panel(title, "generation", column.title, generations, [*lines, *alone], log_y=column.log, caveat=caveat)


def _looks(shown: Shown) -> Iterator[Pictures | Scatter]:
    """What was drawn of each arm: images of every generation, points of the last."""
    images = {arm: pages for arm, pages in shown.items() if pages.ndim == 4}
    for arm, pages in images.items():
        captions = [f"generation {number}" for number in range(1, len(pages) + 1)]
        yield Pictures(arm, ((np.concatenate(pages) + 1) / 2).clip(0, 1), len(pages[0]), captions)
    points = {arm: pages[-1] for arm, pages in shown.items() if arm not in images}
    if points:
        yield Scatter("The last generation", points)


def _profiles(toy: Toy, curves: Curves) -> dict[str, list[CollapseFinding]]:
    if not toy.risk:
        return {}
    return {
        arm: collapse_profile(
            {**curves[arm], "risk": curves[arm][toy.risk]},
            {size: curves[f"{arm}{added}"][toy.risk] for size, added in toy.sizes.items()} or None,
        )
        for arm in (curves if toy.profiled is None else toy.profiled)
    }
