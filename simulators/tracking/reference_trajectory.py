"""What a body without help is to follow: all that is known before it starts, in the simulator's frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from selfcorrect.motion.geometry.kinematics import forward_kinematics
from selfcorrect.motion.geometry.rotations import applied
from selfcorrect.motion.support import ground_of_feet_m

from ..body.frames import to_simulator
from ..body.humanoid import Humanoid
from ..contacts.contact_plan import net_wrench
from ..contacts.dynamics import joint_torques
from ..engines.world import Reference, World, between_frames, velocities_m_s
from ..settings.tracker import TrackerSettings
from ..stages.scene import PLAIN, Scene
from ..stages.values import MotionPlan
from .control_sequence import ControlSequence, control_sequence_of


@dataclass(frozen=True, eq=False)
class ReferenceTrajectory:
    """One motion of one body, at each of S simulation steps or, where it says so, after the last as well."""

    body: Humanoid
    controls: ControlSequence
    """What a body with help is given."""
    positions_m: np.ndarray
    """(S + 1, L, 3) of the links' joints."""
    centre_m: np.ndarray
    """(S + 1, 3) of the body's centre of mass."""
    centre_m_s: np.ndarray
    """(S + 1, 3)."""
    wrench: np.ndarray
    """(S, 6) that the soles must give, about that centre."""
    torques_nm: np.ndarray
    """(S, J, 3) of the joints, were there nothing beneath the soles."""
    drive_nm: np.ndarray
    """(S, J, 3) that the joints' drive takes beside them."""
    ground_m: np.ndarray
    """(S, 2) height of what is beneath each foot."""


def reference_trajectory_of(
    world: World, planned: MotionPlan, settings: TrackerSettings, scene: Scene = PLAIN
) -> ReferenceTrajectory:
    """The trajectory of the one motion that is planned, for a world in which its body is built."""
    body, plan, links = planned.body, planned.contacts, planned.links
    fps, substeps = links.fps, settings.engine.steps_per_frame(links.fps)
    times_s = np.arange((planned.frames - 1) * substeps + 1) / (fps * substeps)
    reference = Reference.through(np.swapaxes(links.root_m, 0, 1), np.swapaxes(links.rotations, 0, 1), fps)
    rotations = reference.rotations(times_s)
    positions_m, orientations = forward_kinematics(body.tree, reference.positions_m(times_s)[:, 0], rotations[:, 0])
    centres_m = positions_m + applied(orientations, body.centre_m)
    centre_m = to_simulator(np.sum(body.mass_kg[:, None] * centres_m, axis=1) / body.total_mass_kg)
    not_soles_n = plan.force_n.copy()
    not_soles_n[:, :, : len(body.soles)] = 0.0
    arms_m = plan.points_m - plan.needs.centre_m[:, :, None]
    wrench = plan.needs.wrench - net_wrench(arms_m, not_soles_n)
    torques_nm = joint_torques(body, plan.needs, not_soles_n, plan.points_m)
    _, drive_nm = world.drive(body, reference, times_s[:-1], np.zeros((len(times_s) - 1, 1, len(body) - 1, 3)))

    def at_steps(values: np.ndarray) -> np.ndarray:
        return between_frames(values[0], fps, times_s[:-1])

    return ReferenceTrajectory(
        body=body,
        controls=control_sequence_of(world, planned, settings, scene),
        positions_m=to_simulator(positions_m),
        centre_m=centre_m,
        centre_m_s=velocities_m_s(centre_m, times_s[1]),
        wrench=at_steps(np.concatenate([to_simulator(wrench[..., :3]), to_simulator(wrench[..., 3:])], axis=-1)),
        torques_nm=at_steps(torques_nm),
        drive_nm=drive_nm[:, 0],
        ground_m=between_frames(ground_of_feet_m(planned.supports[0], planned.frames), fps, times_s[:-1]),
    )
