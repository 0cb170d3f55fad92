"""Rules of physics: whether forces of the floor on the body explain how it moves. Nothing is simulated.

Kinematic clean-up comes first. Feet that float by two centimetres concern the rules of the floor, and would carry
nothing here.
"""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from selfcorrect.motion.body.foot_frames import level
from selfcorrect.motion.checks.check import Choice
from selfcorrect.motion.checks.findings import Finding, Measured, findings
from selfcorrect.motion.checks.rules import RULES
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.simulators.body.humanoid import humanoid
from selfcorrect.simulators.body.links import onto_links
from selfcorrect.simulators.cleanup.clean import CleanupSettings, clean
from selfcorrect.simulators.contacts.contact_plan import plan_contacts
from selfcorrect.simulators.settings.tracker import TrackerSettings
from selfcorrect.simulators.stages import Given

_HELP_S = 2.0
_FEWEST_FRAMES = 8


def check_physics(motion: Motion, choice: Choice) -> list[Finding]:
    """What the chosen rules of physics find; nothing for a motion that is too short.

    Raises InputError where the skeleton has no legs.
    """
    rules = [rule for rule in choice.of(RULES) if rule.measure is None]
    if not rules or len(motion) < _FEWEST_FRAMES:
        return []
    missing = missing_bodyweights(MotionBatch.stack([level(motion)]), CleanupSettings())[0]
    measured = {"X1": unsupported(missing), "X2": helped(missing, motion.fps)}
    return [one for rule in rules for one in findings(rule, measured[rule.code], len(motion), motion.fps)]


def missing_bodyweights(motions: MotionBatch, settings: CleanupSettings) -> np.ndarray:
    """(N, T, 3) force that the floor cannot give motions of one length, after kinematic clean-up with these settings,
    world, body weights.
    """
    cleaned = clean(Given(motions), settings)
    body = humanoid(motions.skeleton, soles=cleaned.soles)
    links = onto_links(body, cleaned.motions)
    rest = plan_contacts(body, links, TrackerSettings().engine.friction, supports=cleaned.supports).rest
    return rest[..., :3] / body.weight_n


def unsupported(missing: np.ndarray) -> Measured:
    """Upward force that is missing, per frame."""
    return Measured(missing[:, 1:2], ("body",))


def helped(missing: np.ndarray, fps: float) -> Measured:
    """Size of the missing force, averaged over two seconds."""
    window = max(1, round(_HELP_S * fps))
    return Measured(uniform_filter1d(np.linalg.norm(missing, axis=-1), window, mode="nearest")[:, None], ("body",))
