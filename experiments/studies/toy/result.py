"""Derive what is shown of a toy from its declaration and what was measured.

`make_result` makes checks of the claims, the table of ends, panels, pictures and profiles of collapse.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from selfcorrect.statistics import CollapseFinding, collapse_profile

from ..claims import Check, Curves, check_claims
from ..drawables import Drawable, Line, Panel, Pictures, Scatter
from .toys import START, ArmTitles, Column, Sweep, Toy

PREDICTED = "predicted"
"""Titles of columns with predictions begin with this."""


Drawings: TypeAlias = Mapping[str, np.ndarray]
"""Arm → drawings of each generation from 1 on: images (T, N, height, width) or points (T, N, 2)."""


@dataclass(frozen=True)
class Ends:
    """Where the arms ended, with a row of cells for each."""

    columns: Sequence[str]
    rows: Mapping[str, Sequence[str]]
    title: str = ""
    """The quantity if it is the same in all columns."""


@dataclass(frozen=True)
class Result:
    """One experiment's outcome, ready for the report."""

    reading: str
    """Number of statements that hold, and statements that do not."""
    checks: Sequence[Check]
    ends: Ends
    figures: Sequence[Panel | Pictures | Scatter | Drawable] = ()
    profiles: Mapping[str, Sequence[CollapseFinding]] = field(default_factory=dict)
    notes: Sequence[str] = ()


def make_result(toy: Toy, curves: Curves, drawings: Drawings) -> Result:
    """Return the outcome of a toy.

    Args:
        curves: Arm → quantity → (S, T + 1).
        drawings: Arm → what was drawn of each generation.
    """
    checks = check_claims(toy.claims, curves)
    ends = tabulate_ends(toy, curves, checks)
    figures = []
    for figure in toy.figures:
        figures.append(_make_sweep_panel(figure, curves, toy.caveat) if isinstance(figure, Sweep) else figure(curves))
    return Result(
        reading=write_reading(checks),
        checks=checks,
        ends=ends,
        figures=[*figures, *_make_panels(toy, curves), *_show_drawings(drawings)],
        profiles=_find_profiles(toy, curves),
        notes=toy.notes,
    )


def write_reading(checks: Sequence[Check]) -> str:
    """Summarise how many statements hold, and which fail or are undecided."""
    sentences = [f"{sum(check.outcome == 'holds' for check in checks)} of {len(checks)} statements hold."]
    for outcome, word in (("fails", "Not borne out"), ("undecided", "Undecided")):
        statements = [check.statement for check in checks if check.outcome == outcome]
        if len(statements) == len(checks) > 1:
            sentences.append(f"{word}: all.")
        elif statements:
            sentences.append(f"{word}: {'; '.join(statements)}.")
    return " ".join(sentences)


def tabulate_ends(toy: Toy, curves: Curves, checks: Sequence[Check]) -> Ends:
    """Tabulate where arms ended: the columns, without columns the first sweep, and without a sweep the checks.

    Args:
        curves: Arm → quantity → (S, T + 1).
    """
    columns = [column for column in toy.columns if column.form]
    if not columns:
        sweeps = [figure for figure in toy.figures if isinstance(figure, Sweep)]
        if sweeps:
            return _tabulate_sweep(sweeps[0], curves)
        rows = {check.statement: [check.measured, check.predicted] for check in checks}
        return Ends(["measured", PREDICTED], rows)
    if toy.groups and toy.rows is None and len(columns) == 1:
        return _tabulate_groups(columns[0], group_arms(toy, curves), curves)
    return _tabulate_arms(toy, curves, columns)


def title_arms(arms: ArmTitles) -> Mapping[str, str]:
    """Return title → arm."""
    return arms if isinstance(arms, Mapping) else {arm: arm for arm in arms}


def group_arms(toy: Toy, curves: Curves) -> dict[str, Mapping[str, str]]:
    """Group arms as group → title → arm; without groups "" has all arms."""
    if isinstance(toy.groups, Mapping):
        return {group: title_arms(arms) for group, arms in toy.groups.items()}
    groups: dict[str, dict[str, str]] = {group: {} for group in toy.groups or ()}
    for arm in curves:
        for group in sorted(groups, key=len, reverse=True):  # a longer name may begin with a shorter name
            if arm.startswith(f"{group}, "):
                groups[group][arm.removeprefix(f"{group}, ")] = arm
                break
    return {**groups} or {"": title_arms(list(curves))}


def _tabulate_sweep(sweep: Sweep, curves: Curves) -> Ends:
    lines: dict[str, np.ndarray] = {}
    for name, quantities in sweep.lines.items():
        lines[name] = np.array([quantity.per_seed(curves).mean() for quantity in quantities])
    for name, law in sweep.predicted.items():
        lines[f"{PREDICTED} {name}" if name in sweep.lines else name] = law
    rows = {}
    for index, x in enumerate(sweep.x):
        rows[f"{sweep.x_label} {x:.3g}"] = [format(line[index], ".3g") for line in lines.values()]
    return Ends(list(lines), rows, sweep.y_label)


def _tabulate_groups(column: Column, groups: Mapping[str, Mapping[str, str]], curves: Curves) -> Ends:
    titles = list(dict.fromkeys(title for arms in groups.values() for title in arms))
    rows = {}
    for group, arms in groups.items():
        rows[group] = [column.format_cell(curves[arms[title]]) if title in arms else "" for title in titles]
    return Ends(titles, rows, column.title)


def _tabulate_arms(toy: Toy, curves: Curves, columns: Sequence[Column]) -> Ends:
    titles = []
    for column in columns:
        titles += [column.title, column.predicted_title] if column.predicted_title else [column.title]
    rows = {}
    for title, arm in title_arms(list(curves) if toy.rows is None else toy.rows).items():
        cells = []
        for column in columns:
            cells.append(_format_end(column, arm, curves))
            if column.predicted_title:
                law = column.predicted.get(arm)
                cells.append("" if law is None else format(law[-1], str(column.form)))
        rows[title] = cells
    return Ends(titles, rows)


def _format_end(column: Column, arm: str, curves: Curves) -> str:
    """Format the end of an arm: the last generation, or generation 0, which all arms share."""
    if arm != START:
        return column.format_cell(curves[arm])
    shared = next(table for table in curves.values() if column.key in table)
    return column.format_cell(shared, generation=0)


def _make_sweep_panel(sweep: Sweep, curves: Curves, caveat: str) -> Panel:
    lines = []
    for name, quantities in sweep.lines.items():
        values = np.stack([quantity.per_seed(curves) for quantity in quantities], axis=1)
        lines.append(Line(name, values, sweep.predicted.get(name)))
    return Panel(
        title=sweep.title,
        x_label=sweep.x_label,
        y_label=sweep.y_label,
        x=np.array(sweep.x),
        lines=[*lines, *_make_law_lines(sweep.predicted, sweep.lines)],
        log_x=sweep.log,
        caveat=caveat if sweep.predicted else "",
    )


def _make_law_lines(predicted: Mapping[str, np.ndarray], measured: Mapping[str, object]) -> list[Line]:
    """Return the predictions that belong to no measured line."""
    return [Line(name, None, law) for name, law in predicted.items() if name not in measured]


def _make_panels(toy: Toy, curves: Curves) -> Iterator[Panel]:
    """Yield a toy's panels, one for each quantity and group of arms that have it."""
    columns = [column for column in toy.columns if column.panel]
    for group, arms in group_arms(toy, curves).items():
        for column in columns:
            lines = []
            length = 0
            for title, arm in arms.items():
                if column.key not in curves[arm]:
                    continue
                law = column.predicted.get(arm)
                if column.predicted_by:
                    law = curves[arm][column.predicted_by].mean(axis=0)
                lines.append(Line(title, curves[arm][column.key], law))
                length = curves[arm][column.key].shape[1]
            if lines:
                yield Panel(
                    title=f"{column.title}: {group}" if group else column.title,
                    x_label="generation",
                    y_label=column.title,
                    x=np.arange(length),
                    lines=[*lines, *_make_law_lines(column.predicted, curves)],
                    log_y=column.log,
                    caveat=toy.caveat if column.predicted else "",
                )


def _show_drawings(drawings: Drawings) -> Iterator[Pictures | Scatter]:
    """Yield the drawings of a toy: images of every generation, and points of the last."""
    images = {arm: pages for arm, pages in drawings.items() if pages.ndim == 4}
    points = {arm: pages[-1] for arm, pages in drawings.items() if pages.ndim != 4}
    for arm, pages in images.items():
        brightness = (np.concatenate(pages) + 1) / 2
        captions = [f"generation {number}" for number in range(1, len(pages) + 1)]
        yield Pictures(title=arm, images=brightness.clip(0, 1), columns=len(pages[0]), captions=captions)
    if points:
        yield Scatter("The last generation", points)


def _find_profiles(toy: Toy, curves: Curves) -> dict[str, list[CollapseFinding]]:
    if not toy.risk:
        return {}
    profiles = {}
    for arm in curves if toy.profiled is None else toy.profiled:
        risk_by_size = {size: curves[f"{arm}{suffix}"][toy.risk] for size, suffix in toy.sizes.items()}
        profiles[arm] = collapse_profile({**curves[arm], "risk": curves[arm][toy.risk]}, risk_by_size or None)
    return profiles
