"""The table of special cases: what each believes about a motion, and what shows that motions like this exist.

The core corrects every motion in the same way. A hypothesis believes something about a motion that the core does not
know, and shows the core another motion, with a way back. It acts in one of three places:

- A *view* is a function of a part and settings (`ViewPart`). It hides what it believes, and restores it in the end.
  Each view has a file in `views`, which also holds its row.
- A hypothesis about the *world* is read by `world.perceive_world`, once for each motion.
- A *step* is a `CleanupStep` between two steps of the core. Those that nothing else reads have a file each in `steps`,
  which also holds their row.

`--without NAME` leaves a hypothesis out, and `CorrectedMotion.hypotheses` lists those that were believed. Another
package adds a view through an entry point in the group "selfcorrect.hypotheses". `view_table` orders the views: those
that it does not name see the motion just before its world is perceived. What each hypothesis gains is measured by
`benchmarks.ablation`.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from selfcorrect.runtime.registry import Registry, load_members

from ..core.cleaning import CleanupStep
from ..core.settings import ViewSettings
from ..results.results import CorrectedMotion
from ..results.view import CorrectionView, Part
from .row import Hypothesis

ViewPart: TypeAlias = Callable[[Part, ViewSettings], CorrectionView]
"""Function that returns the view of a motion, or of a part."""

_ROOM = "selfcorrect.simulators.hypotheses"

HYPOTHESES = Registry(
    "hypothesis",
    (
        *load_members(f"{_ROOM}.views", Hypothesis),
        *load_members(f"{_ROOM}.steps", Hypothesis),
        Hypothesis(
            name="moving-ground",
            reference="selfcorrect.simulators.world:find_ride",
            summary="The ground rises or sinks with the body, as a lift does, or steadily, as drifting captures do.",
            place="world",
            evidence="captures whose floor sinks; CMU 13_33",
        ),
        Hypothesis(
            name="tilted-floor",
            reference="selfcorrect.simulators.world:perceive_world",
            summary="The floor is tilted.",
            place="world",
            evidence="motion from video with a tilted camera",
        ),
        Hypothesis(
            name="t-poses",
            reference="selfcorrect.simulators.world:find_t_poses",
            summary="The motion begins or ends with a T-pose of the rig.",
            place="world",
            evidence="CMU's conversion to BVH",
        ),
        Hypothesis(
            name="takes",
            reference=f"{_ROOM}.splices:find_takes",
            summary="The file holds several takes, one after the other.",
            place="world",
            evidence="CMU clips that jump to another take",
        ),
        Hypothesis(
            name="loops",
            reference=f"{_ROOM}.segments:split_into_takes",
            summary="The motion is a cycle that ends in its first pose.",
            place="world",
            evidence="game animations",
        ),
        Hypothesis(
            name="splices",
            reference=f"{_ROOM}.splices:JoinSplices",
            summary="The body jumps where two motions were joined.",
            place="step",
            evidence="motions that were cut and joined, CMU clips with gaps",
        ),
        Hypothesis(
            name="supports",
            reference=f"{_ROOM}.supports:FindSupports",
            summary="Steps, rungs or seats above the floor carry the body.",
            place="step",
            evidence="CMU clips on ladders, stairs and stools",
        ),
    ),
    group="selfcorrect.hypotheses",
    row_type=Hypothesis,
)


@dataclass(frozen=True)
class Believed:
    """A view that is left out if users do not want its hypothesis, and that notes if it was believed."""

    name: str

    def __call__(self, part: Part, settings: ViewSettings) -> CorrectionView:
        if not settings.cleanup.considers(self.name):
            return CorrectionView.from_part(part)
        view = HYPOTHESES.call(self.name, CorrectionView, part, settings)
        if len(view.parts) == 1 and view.parts[0].motion is part.motion:
            return view
        return replace(view, restore=lambda corrections: believe(view.restore(corrections), self.name))


def believe(correction: CorrectedMotion, *names: str) -> CorrectedMotion:
    """Return a correction with further hypotheses that were believed."""
    believed = tuple(dict.fromkeys((*correction.beliefs.names, *names)))
    return replace(correction, beliefs=replace(correction.beliefs, names=believed))


def list_views(names: Iterable[str]) -> tuple[ViewPart, ...]:
    """List views by name, in the order of the names. Hypotheses whose file was deleted are left out."""
    known = HYPOTHESES.names
    return tuple(Believed(name) for name in names if name in known)


def list_steps(*names: str) -> tuple[CleanupStep, ...]:
    """List steps by name, in the order of the names. Hypotheses whose file was deleted are left out."""
    known = HYPOTHESES.names
    return tuple(HYPOTHESES.load(name)() for name in names if name in known)


def list_views_besides(names: Container[str]) -> tuple[ViewPart, ...]:
    """List all other views: those of new files, and those of other packages."""
    return tuple(Believed(row.name) for row in HYPOTHESES if row.place == "view" and row.name not in names)
