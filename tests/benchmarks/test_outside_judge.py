"""The outside judge passes a sound stance, and each fault lowers its component."""

from dataclasses import asdict, replace

import numpy as np
import pytest
from made_motions import made_motion

from benchmarks.outside_judge import Scores, find_contacts, score
from selfcorrect.motion.motion import Motion

IDLE = made_motion("idle", frames=120)
TIMES_S = np.arange(len(IDLE)) / IDLE.fps


def shift_clip(shift_m: np.ndarray) -> Motion:
    return replace(IDLE, root_m=IDLE.root_m + shift_m)


def fallen(faulty: Motion) -> set[str]:
    """Return the components that a fault lowers by a tenth.

    Contacts are those of the person who stands.
    """
    contacts = find_contacts(IDLE)
    sound = asdict(score(IDLE, contacts))
    return {name for name, value in asdict(score(faulty, contacts)).items() if value < sound[name] - 0.1}


def test_standing_person_passes() -> None:
    contacts = find_contacts(IDLE)
    assert contacts.mean() > 0.9
    scores = score(IDLE, contacts)
    assert min(asdict(scores).values()) > 0.85
    assert 0.9 < scores.total <= 1.0


@pytest.mark.parametrize(
    ("shift_m", "components"),
    [
        (np.array([0.0, -0.05, 0.0]), {"penetration"}),
        (np.array([0.0, 0.05, 0.0]), {"floating"}),
        (0.3 * TIMES_S[:, None] * [1.0, 0.0, 0.0], {"slip"}),
        (0.1 * np.sin(25 * TIMES_S)[:, None] * [1.0, 0.0, 0.0], {"slip", "ground_reaction", "balance", "torque"}),
        (3.0 * TIMES_S[:, None] ** 2 * [1.0, 0.0, 0.0], {"slip", "balance"}),
    ],
)
def test_each_fault_lowers_its_components(shift_m: np.ndarray, components: set[str]) -> None:
    assert components <= fallen(shift_clip(shift_m)) <= components | {"effort", "torque"}


def test_ground_bears_weight_relative_to_body() -> None:
    """Heavier bodies score alike."""
    ones = Scores(*[1.0] * 9)
    assert ones.axes == (1.0, 1.0, 1.0)
    assert replace(ones, slip=0.0).axes == (1.0, 0.75, 1.0)
    assert replace(ones, torque=0.4).total == pytest.approx(1 - 0.2 / 3)
