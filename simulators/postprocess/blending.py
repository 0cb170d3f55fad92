"""Blend the simulation with the plan where it helps.

Where physics has fixed something, the force that a motion demands beyond contacts falls. Where this force hardly falls,
the simulated body only lags behind the plan, and the plan is the better motion. A plan that contacts explain nearly
everywhere therefore cannot gain, and this is known before the simulation.
"""

from dataclasses import dataclass, replace

import numpy as np

from selfcorrect.motion.geometry.curves import smooth_gaussian, smoothstep
from selfcorrect.motion.geometry.rotations import compose, invert, quaternions, rotation_vectors
from selfcorrect.motion.geometry.vectors import norms
from selfcorrect.motion.motion import MotionBatch

from ..planning.contact_plan import plan_contacts
from ..stages.changes import deadband
from ..stages.values import MotionPlan, select_motions
from .smoothing import FAST_S
from .state import PostprocessState

_SAVED_BODYWEIGHTS = (0.05, 0.2)
"""Saved forces, in body weights, below which the simulation is not used, and above which it is used fully."""
_SMALL_SHIFT_M = 0.003
"""Slow shifts below this distance are removed, and those above twice the distance are kept, in m."""
_GAIN_SMOOTHING_S = 0.15
"""Smoothing time of the saved force, in s."""
_SHARE_SMOOTHING_S = 0.1
"""Smoothing time of the simulation's share, in s."""
_LOST_RAD = 0.5
"""Angle between simulated and planned joint from which on the joint counts as lost, in rad. It is fully lost at twice
the angle."""


@dataclass(frozen=True)
class BlendSimulation:
    """Use the simulation where it lowers the unexplained force.

    The plan is used elsewhere. Unexplained is the force that contacts cannot provide. The share of the simulation is a
    smooth step of the gain. It applies to the slow part of the difference between both; the fast part, capture noise
    that a body cannot follow, is removed fully.

    The parameters were set on 3 s of every fourth of CMU's training clips, at 30 and 120 frames per second, and judged
    by a replay in MuJoCo. At 30 frames per second, MuJoCo needs 0.104 body weights of residual force with these shares,
    as much as with all or none of PyBullet's simulation. Jerk is lower than with none, and distance (9.7 mm) is a third
    lower than with all. Doubling the bounds changes nothing.
    """

    def __call__(self, state: PostprocessState) -> PostprocessState:
        tracked = state.tracked
        planned = self.without_small_shifts(state.motions, state.cleaned)
        if tracked is None or tracked.states is None:
            return replace(state, motions=planned)
        simulated = tracked.simulated
        shares = state.shares.copy()
        shares[simulated] = self.shares(tracked.plan.select(simulated), tracked.states)
        blended = self.blend(select_motions(planned, simulated), tracked.states, shares[simulated])
        root_m = planned.root_m.copy()
        root_m[simulated] = blended.root_m
        rotations = planned.rotations.copy()
        rotations[simulated] = blended.rotations
        return replace(state, motions=replace(planned, root_m=root_m, rotations=rotations), shares=shares)

    def can_gain(self, plan: MotionPlan) -> np.ndarray:
        """Return which plans (N,) a simulation could improve.

        A simulation saves at most the plan's unexplained force. If this stays below the upper bound of
        `_SAVED_BODYWEIGHTS`, the simulation's share is never 1, and on captures nearly 0. Plans that are not finite are
        simulated, too.
        """
        is_explained = self.unexplained_bodyweights(plan) <= _SAVED_BODYWEIGHTS[1]
        return np.asarray(~is_explained.all(axis=1))

    def unexplained_bodyweights(self, plan: MotionPlan) -> np.ndarray:
        """Return a plan's unexplained force (N, T), smoothed like the saved force."""
        missing_n = norms(plan.contacts.unexplained[..., :3])
        return smooth_gaussian(missing_n / plan.body.weight_n, _GAIN_SMOOTHING_S * plan.motions.fps)

    def without_small_shifts(self, planned: MotionBatch, cleaned: MotionBatch) -> MotionBatch:
        """Remove small, slow root shifts between the cleaned motions and their plan.

        The fast part of a shift changes forces. The slow part hardly does, and a second correction would shift again.
        """
        shift_m = planned.root_m - cleaned.root_m
        slow_m = smooth_gaussian(shift_m, 2 * FAST_S * planned.fps)
        share = deadband(norms(slow_m)[..., None], (_SMALL_SHIFT_M, 2 * _SMALL_SHIFT_M), planned.fps)
        return replace(planned, root_m=planned.root_m - (1 - share) * slow_m)

    def shares(self, plan: MotionPlan, simulated: MotionBatch) -> np.ndarray:
        """Return the share (N, T) of simulated states on the whole skeleton, in [0, 1]."""
        body = plan.body
        fps = simulated.fps
        contacts = plan_contacts(body, body.select_links(simulated), plan.friction, plan.supports)
        planned_n = norms(plan.contacts.unexplained[..., :3])
        simulated_n = norms(contacts.unexplained[..., :3])
        saved = smooth_gaussian((planned_n - simulated_n) / body.weight_n, _GAIN_SMOOTHING_S * fps)
        low, high = _SAVED_BODYWEIGHTS
        share = smoothstep((saved - low) / (high - low))
        return smooth_gaussian(share, _SHARE_SMOOTHING_S * fps)

    def blend(self, first: MotionBatch, second: MotionBatch, share: np.ndarray) -> MotionBatch:
        """Blend two batches of motions.

        The share applies to the slow part of the difference, and the fast part is taken fully. Joints that are lost in
        the second motions are not followed.

        Args:
            first: Motions at share 0.
            second: Motions at share 1, of the same skeleton and length.
            share: (N, T) in [0, 1].
        """
        shift_m = second.root_m - first.root_m
        turns = rotation_vectors(compose(invert(first.rotations), second.rotations))
        slow_m = smooth_gaussian(shift_m, FAST_S * first.fps)
        slow_turns = smooth_gaussian(turns, FAST_S * first.fps)
        share = share[..., None]
        lost = norms(turns) / _LOST_RAD - 1
        follows = share + (1 - share) * (1 - smoothstep(lost))
        blended_m = share * slow_m + (shift_m - slow_m)
        blended_turns = share[..., None] * slow_turns + follows[..., None] * (turns - slow_turns)
        rotations = compose(first.rotations, quaternions(blended_turns))
        return replace(first, root_m=first.root_m + blended_m, rotations=rotations)
