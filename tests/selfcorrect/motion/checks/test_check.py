"""Rules find planted faults by frame and joint; ordinary motion breaks none."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from made_jumps import jumps
from made_motions import made_motion
from posed_motions import standing
from scipy.spatial.transform import Rotation
from turned_joints import shift

from selfcorrect import check
from selfcorrect.core.errors import SettingError
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.checks.assertion import assert_plausible
from selfcorrect.motion.checks.check import CheckResult, RuleChoice, check_with
from selfcorrect.motion.checks.findings import Measurement, Rule, find_violations
from selfcorrect.motion.checks.pace import pace
from selfcorrect.motion.checks.rules import RULE_TABLE, RULES
from selfcorrect.motion.checks.walking import find_longest_walk
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.perception.motion_features import MotionFeatures
from selfcorrect.motion.support import Support, Surroundings
from selfcorrect.motion.views import ShiftedWorld, TurnedWorld


@pytest.fixture
def motion() -> Motion:
    """A person who stands, arms down, and sways."""
    return standing()


def codes(motion: Motion) -> list[str]:
    return [finding.code for finding in check(motion)]


def test_ordinary_motion_is_clean(motion: Motion) -> None:
    assert check(motion) == []
    assert_plausible([motion, motion])


def test_sinking_body_is_found(motion: Motion) -> None:
    shift_m = np.zeros((90, 3))
    shift_m[40:60, 1] = -0.15
    violation = next(finding for finding in check(shift(motion, shift_m)) if finding.code == "F1")
    assert (violation.start, violation.stop) == (40, 60)
    assert violation.value == pytest.approx(0.15, abs=0.006)
    assert set(violation.things[:2]) == {"left foot", "right foot"}
    assert "frames 40–59, " in str(violation)


def test_hovering_body_is_found(motion: Motion) -> None:
    times_s = np.arange(90) / 30.0
    shift_m = np.zeros((90, 3))
    shift_m[20:60, 1] = 0.3
    assert "F2" in codes(shift(motion, shift_m))
    flight_s = np.clip(times_s - 1.0, 0.0, 0.5)
    shift_m[:, 1] = 0.5 * 9.81 * flight_s * (0.5 - flight_s)
    assert not {"F1", "F2"} & set(codes(shift(motion, shift_m)))


def test_sliding_feet_are_found(motion: Motion) -> None:
    along_m = 0.3 * np.arange(90)[:, None] / 30.0 * np.array([1.0, 0.0, 0.0])
    violation = next(finding for finding in check(shift(motion, along_m)) if finding.code == "F3")
    assert violation.value == pytest.approx(0.3, abs=0.01)
    for speed_rad_s in (0.8, 2.5):
        turns = Rotation.from_rotvec(speed_rad_s * np.arange(90)[:, None] / 30.0 * [0, 1, 0])
        pivot = ShiftedWorld(np.array([-0.1, 0.0, -0.05]))  # the left foot
        turned = pivot.restore(TurnedWorld(turns.as_quat()).view(pivot.view(motion)))
        assert not {"F3", "F11"} & set(codes(turned))


@pytest.mark.parametrize("height_m", [0.3, -0.2])
def test_another_floor_is_found_once(motion: Motion, height_m: float) -> None:
    assert codes(shift(motion, np.array([0.0, height_m, 0.0]))) == ["F4"]


@pytest.mark.parametrize(("part", "is_found"), [("left hand", True), ("seat", True), ("left foot", False)])
def test_only_steps_hide_another_floor(motion: Motion, part: str, is_found: bool) -> None:
    support = Support(part, (0.0, 0.5, 0.0), (0.2, 0.2), first=0, last=20)
    low = shift(motion, np.array([0.0, -0.07, 0.0]))
    result = check_with(low, RuleChoice(("F4",)), lambda _: Surroundings((support,)))
    assert bool(result.findings) == is_found


def test_spike_names_joint(motion: Motion) -> None:
    motion.rotations[20, 16] = Rotation.from_euler("z", 60, degrees=True).as_quat()
    spike = next(finding for finding in check(motion) if finding.code == "S3")
    speed = next(finding for finding in check(motion) if finding.code == "S2")
    assert (spike.frame, spike.things[0]) == (20, "left_wrist")
    assert (speed.start, speed.stop, speed.things[0]) == (19, 21, "left_wrist")


def test_repeated_frames_are_found(motion: Motion) -> None:
    motion.rotations[30:40] = motion.rotations[30]
    (finding,) = [finding for finding in check(motion) if finding.code == "S5"]
    assert (finding.start, finding.stop, finding.value) == (31, 40, 9.0)


def test_statue_rate_and_unit_are_found(motion: Motion) -> None:
    still = replace(motion, rotations=np.tile(motion.rotations[:1], (90, 1, 1)))
    assert "S6" in codes(still)
    assert "R3" in codes(replace(motion, fps=1.0))
    large = replace(motion, skeleton=SMPL_BODY.skeleton(100 * motion.skeleton.offsets_m), root_m=100 * motion.root_m)
    assert "R1" in codes(large)


@pytest.mark.parametrize("speed", [0.7, 1.0, 1.4])
def test_flights_tell_the_pace(speed: float) -> None:
    jump = jumps("straight", 0.45)
    measured = pace(MotionFeatures(replace(jump, fps=30.0 * speed)))
    assert measured == pytest.approx(speed, rel=0.02)
    assert ("P1" in codes(replace(jump, fps=30.0 * speed))) == (speed != 1.0)


def test_steps_are_counted(motion: Motion) -> None:
    steps = find_longest_walk(MotionFeatures(made_motion("walk", frames=110)))
    assert steps is not None
    assert len(steps.lengths) == 5
    assert steps.leg_m * steps.lengths == pytest.approx(0.65, rel=0.04)
    assert find_longest_walk(MotionFeatures(motion)) is None


@pytest.mark.parametrize("fps", [20.0, 30.0, 60.0])
def test_random_walk_is_measured(motion: Motion, fps: float) -> None:
    still = replace(motion, fps=fps)
    steps_m = np.random.default_rng(0).normal(0.0, 0.02 / np.sqrt(fps), (90, 3)) * (1.0, 0.0, 1.0)
    finding = next(violation for violation in check(shift(still, np.cumsum(steps_m, axis=0))) if violation.code == "F5")
    assert finding.value == pytest.approx(0.02, rel=0.35)
    assert "F5" not in codes(shift(still, np.linspace(0, 1, 90)[:, None] * (1.0, 0.0, 0.0)))


def test_partless_skeleton_is_checked(motion: Motion) -> None:
    unknown = replace(motion, skeleton=replace(motion.skeleton, parts=("",) * 22))
    assert check(unknown) == []
    unknown.rotations[20, 16] = Rotation.from_euler("z", 60, degrees=True).as_quat()
    assert "S3" in codes(unknown)


def test_rules_by_code_name_letter(motion: Motion) -> None:
    broken = shift(motion, np.array([0.0, 0.5, 0.0]))
    assert {finding.code for finding in check(broken, select=["F"])} == {"F4"}
    assert check(broken, select=["floor-elsewhere"], ignore=["F4"]) == []
    assert check_with(broken, RuleChoice(thresholds={"floor-elsewhere": 0.6})) == CheckResult()
    with pytest.raises(SettingError, match=r"'nonsense';.*F1"):
        check(motion, select=["nonsense"])


def test_short_motions_are_clean(motion: Motion) -> None:
    for frames in (0, 1, 2, 3, 8):
        assert set(codes(motion.frames(0, frames))) <= {"S6"}


def test_short_runs_are_ignored() -> None:
    rule = Rule("Z1", "test", "A test.", 1.0, "m", "{value:.0f}", "none", None, least_s=0.1)
    values = np.array([0, 2, 2, 0, 2, 3, 2, 0.0])[:, None]
    (violation,) = find_violations(rule, Measurement(values, ("thing",)), 8, 30.0)
    assert (violation.start, violation.stop, violation.frame, violation.value, violation.words()) == (4, 7, 5, 3.0, "3")


def answer(value: object) -> Rule:
    """A rule that answers the value for any motion."""
    return Rule("Z1", "test", "A test.", 1.0, "m", "{value:.0f}", measure=lambda features: value)


@pytest.mark.parametrize(
    "value",
    [
        np.full(7, 2.0),
        np.full((10, 3), 2.0),
        np.full((3, 10), 2.0),
        np.full((10, 1), 2.0),
        np.zeros(0),
        Measurement(np.full((10, 3), 2.0), ("left", "right")),
        Measurement(np.full((7, 2), 2.0), ("left", "right")),
        Measurement(np.full(10, 2.0), ("left",)),
        np.full(10, np.nan),
        np.nan,
        np.inf,
        np.full(10, 2.0 + 1.0j),
        np.full(10, "2"),
        "2",
        [2.0, None],
        {"value": 2.0},
    ],
)
def test_wrong_answer_raises(value: object) -> None:
    with pytest.raises(ValueError, match=r"expected|NaN|infinite"):
        find_violations(answer(value), value, 10, 30.0)


def test_fitting_answer_is_found(motion: Motion) -> None:
    ramp = np.arange(10.0)
    some = np.where(ramp < 5, np.nan, ramp)
    for value in (ramp, list(ramp), some, Measurement(np.stack([0 * ramp, ramp], axis=1), ("left", "right"))):
        (finding,) = find_violations(answer(value), value, 10, 30.0)
        assert (finding.stop, finding.frame, finding.value) == (10, 9, 9.0)
    for whole in (2.0, np.float32(2), np.array(2), Measurement(np.array([[2.0, 0.0]]), ("left", "right"))):
        (finding,) = find_violations(answer(whole), whole, 10, 30.0)
        assert (finding.start, finding.stop) == (0, 10)
    assert find_violations(answer(None), None, 10, 30.0) == []


@pytest.mark.parametrize("change", [{"threshold": np.nan}, {"message": "{valeu:.0f}"}, {"message": "{value:.0q}"}])
def test_unnameable_rule_raises(change: dict[str, Any]) -> None:
    with pytest.raises(SettingError):
        replace(answer(None), **change)


def test_misfitting_rule_is_noted(motion: Motion, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = answer(np.full(3 * len(motion), 2.0))
    monkeypatch.setattr("selfcorrect.motion.checks.check.all_rules", lambda: (wrong,))
    monkeypatch.setattr(RULE_TABLE, "title", lambda name: "rule 'Z1' of others 1.0")
    monkeypatch.setattr(RULE_TABLE, "is_added", lambda name: name == "Z1")
    result = check_with(motion, RuleChoice())
    assert result.findings == ()
    (note,) = result.notes
    assert "Z1" in note
    assert str(3 * len(motion)) in note
    assert "internal error" not in note


def test_rule_names_are_unique() -> None:
    assert len({rule.code for rule in RULES}) == len({rule.name for rule in RULES}) == len(RULES)


def test_assertion_names_motions(motion: Motion) -> None:
    sunk = shift(motion, np.array([0.0, -0.3, 0.0]))
    with pytest.raises(AssertionError, match=r"1 of 2 motions are implausible\nmotion 1: .*F4 floor-elsewhere"):
        assert_plausible([motion, sunk])
    assert_plausible([motion, sunk], allowed=1)
    assert_plausible([sunk], ignore=["F4"])
