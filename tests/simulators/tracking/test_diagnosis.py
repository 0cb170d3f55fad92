"""What is told about simulated motions agrees with what is known about them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.simulators.corrector import KinematicCorrector, PhysicsCorrector
from selfcorrect.simulators.mending.precondition import PreconditionSettings
from selfcorrect.simulators.settings.engine import BodySettings
from selfcorrect.simulators.settings.tracker import TrackerSettings


def timeline_of(motion, engine):
    return PhysicsCorrector(TrackerSettings.at_strength(0.7, engine))([motion])[0].timeline


def test_both_feet_of_a_standing_body_carry_its_weight(stand, engine):
    timeline = timeline_of(stand, engine)
    assert len(timeline) == len(stand)
    assert timeline.loads_bodyweights[8:].sum(axis=1).mean() == pytest.approx(1.0, abs=0.03)
    contacts = timeline.contacts()
    assert {contact.part for contact in contacts} == {"left foot", "right foot"}
    assert all(contact.last_frame == len(stand) - 1 for contact in contacts)
    assert [contact.load_bodyweights for contact in contacts] == pytest.approx([0.5, 0.5], abs=0.1)
    assert timeline.residual_force_bodyweights.max() < 0.06


def test_a_jump_is_a_time_without_contact(clips, engine):
    timeline = timeline_of(clips["jump"], engine)
    carried = timeline.loads_bodyweights.sum(axis=1)
    flight = carried < 0.05
    assert 8 < flight.sum() < 0.6 * len(timeline)
    assert carried.max() > 1.5


def test_who_lies_on_the_back_is_borne_there(stand, engine):
    rotations = stand.rotations.copy()
    rotations[:, 0] = [-np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)]
    lying = replace(stand, rotations=rotations, root_m=np.tile([0.0, 0.1, 0.0], (len(stand), 1)))
    timeline = timeline_of(lying, engine)
    carried = dict(zip(timeline.parts, timeline.loads_bodyweights[8:].mean(axis=0), strict=True))
    assert sum(carried.values()) == pytest.approx(1.0, abs=0.05)
    assert carried["pelvis"] + carried["trunk and head"] > 0.5
    assert carried["left foot"] + carried["right foot"] < 0.3


def test_help_over_time_has_the_mean_that_is_reported(clips):
    correction = PhysicsCorrector()([clips["walk"]])[0]
    timeline, figures = correction.timeline, correction.diagnostics
    means = timeline.residual_force_bodyweights[1:].mean(), timeline.residual_torque_nm[1:].mean()
    assert means == pytest.approx((figures["residual_force_bodyweights"], figures["residual_torque_nm"]))


def test_a_motion_that_is_given_up_has_a_timeline_until_then(walk):
    late = walk.root_m.copy()
    late[20:] += [0.0, 3.0, 0.0]
    known_floor = PreconditionSettings(estimate_floor=False)
    correction = PhysicsCorrector(precondition=known_floor)([replace(walk, root_m=late)])[0]
    assert f"frame {len(correction.timeline) - 1}" in correction.reason


def test_mass_is_an_option(stand):
    """Light and heavy bodies stand alike, each on its own weight."""
    light, heavy = (PhysicsCorrector(TrackerSettings(BodySettings(mass_kg=mass)))([stand])[0] for mass in (50.0, 100.0))
    totals = [correction.timeline.loads_bodyweights[8:].sum(axis=1).mean() for correction in (light, heavy)]
    assert totals == pytest.approx([1.0, 1.0], abs=0.03)
    assert np.abs(heavy.motion.root_m - light.motion.root_m).max() < 0.002
    with pytest.raises(ValueError, match="mass_kg must be positive, got -70"):
        BodySettings(mass_kg=-70.0)


def test_nothing_simulated_is_no_timeline(walk):
    assert KinematicCorrector()([walk])[0].timeline is None
