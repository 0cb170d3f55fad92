"""No rule fails on any motion.

Kind, pace, frame rate and length may be any.
"""

import numpy as np
import pytest
from helpers import log_uniform
from hypothesis import given, settings
from hypothesis import strategies as st
from made_motions import KINDS, Kind, made_motion
from made_rigs import remove_parts

from selfcorrect import check
from selfcorrect.motion.checks import pace, walking
from selfcorrect.motion.checks.check import RuleChoice, check_with
from selfcorrect.motion.checks.rules import RULES
from selfcorrect.motion.perception.motion_features import MotionFeatures

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    pace=log_uniform(0.02, 30.0),
    fps=log_uniform(5.0, 240.0),
    frames=log_uniform(4.0, 3000.0).map(round),
    lean_rad=st.floats(-0.4, 0.9),
    bend_rad=st.floats(0.0, 0.6),
)
def test_every_rule_can_be_measured(
    kind: Kind, pace: float, fps: float, frames: int, lean_rad: float, bend_rad: float
) -> None:
    motion = made_motion(kind, pace, fps, frames, lean_rad=lean_rad, bend_rad=bend_rad)
    assert check_with(motion, RuleChoice()).notes == ()


_LEGS = ("hip", "knee", "ankle", "foot")
_ARMS = ("collar", "shoulder", "elbow", "wrist")
_TRUNK = ("spine1", "spine2", "spine3", "neck", "head")


def of_both_sides(*joints: str) -> list[str]:
    return [f"{side}_{joint}" for side in ("left", "right") for joint in joints]


@pytest.mark.parametrize(
    "missing",
    [
        [*_TRUNK, *of_both_sides(*_ARMS)],
        ["neck", "head"],
        of_both_sides(*_ARMS),
        of_both_sides(*_LEGS),
        of_both_sides("foot"),
        ["left_shoulder", "left_elbow", "left_wrist"],
        ["right_knee", "right_ankle", "right_foot"],
    ],
    ids=["legs alone", "no neck", "no arms", "no legs", "no toes", "one arm", "one leg"],
)
def test_rules_measure_or_skip(missing: list[str]) -> None:
    walk = remove_parts(made_motion("walk", 1.0, 60.0, 300, bend_rad=0.8), missing)
    assert check_with(walk, RuleChoice()).notes == ()


@pytest.mark.parametrize(
    ("pace", "lean_rad", "bend_rad"),
    [(0.7, 0.6, 0.24), (1.0, 0.3, 0.23), (1.0, 0.7, 0.25), (8.0, 0.8, 0.25), (8.0, 0.8, 0.26)],
)
def test_tipping_walk_tells_no_pace(pace: float, lean_rad: float, bend_rad: float) -> None:
    features = MotionFeatures(made_motion("walk", pace, 120.0, 300, lean_rad=lean_rad, bend_rad=bend_rad))
    assert walking.find_longest_walk(features) is not None
    assert walking.walking_pace(features) is None


@pytest.mark.parametrize("pace", [0.7, 1.0, 1.4])
def test_upright_walk_tells_pace(pace: float) -> None:
    pace_at_speed = walking.walking_pace(MotionFeatures(made_motion("walk", 1.0, 120.0, 400, bend_rad=0.1)))
    other_pace = walking.walking_pace(MotionFeatures(made_motion("walk", pace, 120.0, 400, bend_rad=0.1)))
    assert pace_at_speed is not None
    assert other_pace == pytest.approx(pace * pace_at_speed, rel=0.1)


@pytest.mark.parametrize("style", [{"lean_rad": 0.8}, {"bend_rad": 1.4}, {"bend_rad": 0.05}])
@pytest.mark.parametrize("pace", [0.8, 1.3])
def test_style_is_not_pace(pace: float, style: dict[str, float]) -> None:
    """Ordinary steps show the pace, whatever the style.

    Who stoops, marches or shuffles has other steps at the same pace.
    """
    usual = MotionFeatures(made_motion("walk", pace, 60.0, 300, **{"bend_rad": 0.8}))
    features = MotionFeatures(made_motion("walk", pace, 60.0, 300, **({"bend_rad": 0.8} | style)))
    assert walking.has_unusual_steps(usual)
    assert not walking.has_unusual_steps(features)


@pytest.mark.parametrize(("speed", "is_believed"), [(0.7, True), (0.75, True), (1.33, False), (0.3, False)])
def test_steps_and_pendulum_must_agree(monkeypatch: pytest.MonkeyPatch, speed: float, is_believed: bool) -> None:
    """Steps and a pendulum must agree on slow motion.

    Steps that are long for their frequency show it; a pendulum that runs fast denies this.
    """
    slow = MotionFeatures(made_motion("walk", 0.7, 60.0, 300, bend_rad=0.8))
    monkeypatch.setattr(pace, "walking_pace", lambda features: speed)
    assert pace.pace(slow) == (speed if is_believed else None)


def test_who_limps_is_not_uneven() -> None:
    """A limp shortens every other step, a warp several.

    Those of a warp of time come in a row.
    """
    walk = made_motion("walk", 1.0, 60.0, 330)
    steps = np.arange(330) / 60.0 / 0.55
    frames = {"limp": steps + 0.08 * np.sin(np.pi * steps), "warp": steps + 0.25 * np.sin(np.pi * steps / 2.5)}
    retimed = {
        name: walk.select_frames(np.searchsorted(frame_times, np.linspace(0, frame_times[-1] - 0.01, 330)))
        for name, frame_times in frames.items()
    }
    assert check(retimed["limp"], ["P2"]) == []
    assert [finding.code for finding in check(retimed["warp"], ["P2"])] == ["P2"]


def test_failing_rule_is_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    motion = made_motion("idle", frames=60)
    motion.root_m[:, 1] += 0.5
    monkeypatch.setattr(walking, "find_longest_walk", lambda features: np.zeros(2)[5])
    checkup = check_with(motion, RuleChoice())
    assert [finding.code for finding in checkup.findings] == ["F4"]
    failing = [rule.code for rule in RULES if rule.code.startswith("P")]
    assert [note.split()[1] for note in checkup.notes] == failing
    assert checkup.notes[0].startswith("rule P1 was left out: ")
    with pytest.warns(RuntimeWarning, match="rule P1 was left out"):
        assert [finding.code for finding in check(motion, ["F", "P1"])] == ["F4"]
