"""Expand arms by the strength γ or by a copying loop, and tasks by the number n of real samples."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from selfcorrect.core.errors import SettingError
from selfcorrect.loop.bias import sample_plainly
from selfcorrect.loop.fitting import fit_plainly
from selfcorrect.loop.policy import Replace
from selfcorrect.loop.run import Arm

from .inputs import ArmEntry, TaskEntry

COPYING = "copying"
"""Name of the arm without a model."""


def add_copying(arms: Mapping[str, ArmEntry]) -> dict[str, ArmEntry]:
    """Add the control arm `copying`, which copies in the first uncorrected loop that is fully synthetic.

    Raises:
        SettingError: No arm is such a loop, or an arm has that name.
    """
    ready = [entry.source for entry in arms.values() if isinstance(entry.source, Arm)]
    loops = [arm for arm in ready if arm.policy == Replace() and not arm.correction]
    if not loops or COPYING in arms:
        problem = f"an arm has the name {COPYING!r}" if loops else "there is none"
        raise SettingError(
            f"copying=True adds the arm {COPYING!r} to an uncorrected arm with the policy Replace(); {problem}"
        )
    plain = replace(loops[0], bias=sample_plainly, fitting=fit_plainly)
    return {**arms, COPYING: ArmEntry(plain, COPYING, is_copying=True)}


def expand_tasks(tasks: Mapping[str, TaskEntry], real_counts: Sequence[int]) -> dict[str, TaskEntry]:
    """Repeat each task for every number n of real training samples, by name.

    Args:
        real_counts: Numbers n; without any the tasks stay as they are.
    """
    if not real_counts:
        return dict(tasks)
    expanded = {}
    for name, entry in tasks.items():
        for count in real_counts:
            title = f"{name}, n = {count}" if len(tasks) > 1 else f"n = {count}"
            expanded[title] = replace(entry, count=count)
    return expanded


def expand_arms(arms: Mapping[str, ArmEntry], gammas: Sequence[float]) -> dict[str, ArmEntry]:
    """Repeat each corrected arm for every strength γ, by name; other arms stay as they are.

    Args:
        gammas: Strengths; without any the arms stay as they are.

    Raises:
        SettingError: There are strengths, and no arm has a correction.
    """
    if not gammas:
        return dict(arms)
    expanded = {}
    for name, entry in arms.items():
        if isinstance(entry.source, Arm) and entry.source.correction is None:
            expanded[name] = entry
            continue
        for gamma in gammas:
            expanded[f"{name}, γ = {gamma:g}"] = replace(entry, strength=gamma)
    if list(expanded) == list(arms):
        raise SettingError("gammas are strengths of corrections, and no arm has a correction; leave them out")
    return expanded
