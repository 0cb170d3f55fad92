"""Whatever another package's engine answers, wrong arrays are named, and right ones pass unchanged."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simulated_bodies import no_torques, rest_pose, state

from selfcorrect.core.errors import InputError
from selfcorrect.simulators.body.humanoid import Humanoid, build_humanoid
from selfcorrect.simulators.engines.checked_world import WORLD_METHODS, CheckedWorld
from selfcorrect.simulators.engines.world import Reference, RootState

BODIES = 2
STEPS = 3


class StillWorld:
    """A world whose bodies keep the state that is set."""

    def build(self, bodies, step_s, supports) -> None:
        self.links = len(bodies[0])

    def show(self, body, supports) -> None: ...

    def drive(self, body, reference, times_s, torques_nm):
        return np.tile([0.0, 0.0, 0.0, 1.0], (*torques_nm.shape[:3], 1)), torques_nm

    def reset(self, roots, rotations, velocities_rad_s) -> None:
        self.state = (roots, rotations, velocities_rad_s)

    def step(self, running, targets, torques_nm, force_n, torque_nm) -> None: ...

    def root(self):
        return self.state[0]

    def rotations(self):
        return self.state[1]

    def velocities_rad_s(self):
        return self.state[2]

    def positions_m(self, links):
        return np.zeros((BODIES, len(links), 3))

    def loads_n(self):
        return np.zeros((BODIES, self.links))


def drop_row(values: np.ndarray) -> object:
    return values[..., :-1]


def add_axis(values: np.ndarray) -> object:
    return values[None]


def to_text(values: np.ndarray) -> object:
    return values.astype(str)


def to_complex(values: np.ndarray) -> object:
    return values + 1j


def to_nan(values: np.ndarray) -> object:
    return values * np.nan


def to_infinity(values: np.ndarray) -> object:
    return np.full_like(values, np.inf)


def to_list(values: np.ndarray) -> object:
    return values.tolist()


def to_none(values: np.ndarray) -> object:
    return None


FAULTS = [drop_row, add_axis, to_text, to_complex, to_nan, to_infinity, to_list, to_none]


def read_all(world: Any, body: Humanoid) -> dict[str, Any]:
    """Call every method of a world, and return its answers by name."""
    world.build([body] * BODIES, 0.01, [()] * BODIES)
    world.reset(state((0.0, 0.0, 1.0), bodies=BODIES), rest_pose(body, BODIES), no_torques(body, BODIES))
    torques_nm = np.ones((STEPS, BODIES, len(body) - 1, 3))
    reference = Reference.from_frames(np.zeros((4, BODIES, 3)), np.tile(rest_pose(body, BODIES), (4, 1, 1, 1)), 30.0)
    answers = {
        "root": world.root(),
        "rotations": world.rotations(),
        "velocities_rad_s": world.velocities_rad_s(),
        "positions_m": world.positions_m([1, 3]),
        "loads_n": world.loads_n(),
        "drive": world.drive(body, reference, np.zeros(STEPS), torques_nm),
    }
    world.show(0, {1})
    world.step([0, 1], *answers["drive"], np.zeros((BODIES, 3)), np.zeros((BODIES, 3)))
    return answers


@pytest.fixture(scope="module")
def body(adult) -> Humanoid:
    return build_humanoid(adult)


def break_answer(answer: Any, column: int, fault: Callable[[np.ndarray], object]) -> Any:
    if isinstance(answer, np.ndarray):
        return fault(answer)
    columns = [fault(values) if index == column else values for index, values in enumerate(answer)]
    return RootState(*columns) if isinstance(answer, RootState) else tuple(columns)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["root", "rotations", "velocities_rad_s", "positions_m", "loads_n", "drive"]),
    st.integers(0, 1),
    st.sampled_from(FAULTS),
)
def test_wrong_answers_are_named(body: Humanoid, name: str, column: int, fault) -> None:
    world = StillWorld()
    answer = getattr(world, name)
    setattr(world, name, lambda *arguments: break_answer(answer(*arguments), column, fault))
    with pytest.raises(InputError, match=rf"^engine of ours: .*\b{name}\b"):
        read_all(CheckedWorld(world, "engine of ours"), body)


@given(st.sampled_from(["root", "rotations"]), st.floats(0, 10).filter(lambda norm: abs(norm - 1) > 0.01))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_quaternions_without_unit_norm_raise(body: Humanoid, name: str, norm: float) -> None:
    world = StillWorld()
    answer = getattr(world, name)
    setattr(world, name, lambda: break_answer(answer(), 1, lambda values: norm * values))
    with pytest.raises(InputError, match=f"{name} has a quaternion of norm"):
        read_all(CheckedWorld(world, "engine of ours"), body)


def test_right_answers_are_the_world_s_own(body: Humanoid) -> None:
    plain = read_all(StillWorld(), body)
    checked = read_all(CheckedWorld(StillWorld(), "engine of ours"), body)
    for name, answer in plain.items():
        for expected, got in zip(
            *([values] if isinstance(values, np.ndarray) else values for values in (answer, checked[name])), strict=True
        ):
            assert np.array_equal(expected, got)


def test_lost_bodies_may_be_nan_after_a_step(body: Humanoid) -> None:
    world = StillWorld()
    checked = CheckedWorld(world, "engine of ours")
    read_all(checked, body)
    world.state = tuple(break_answer(answer, 0, to_nan) for answer in world.state)
    assert np.isnan(checked.root().position_m).all()
    assert np.isnan(checked.rotations()).all()


@pytest.mark.parametrize("method", ["build", "drive", "reset", "step"])
def test_inputs_cannot_be_changed(body: Humanoid, method: str) -> None:
    """An engine that writes into what it gets fails, whatever of it is written."""
    world = StillWorld()
    original = getattr(world, method)
    written = []

    def write(*arguments: Any) -> Any:
        for array in find_arrays(arguments):
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0
            written.append(array)
        return original(*arguments)

    setattr(world, method, write)
    read_all(CheckedWorld(world, "engine of ours"), body)
    assert len(written) >= 3


def find_arrays(value: Any) -> list[np.ndarray]:
    """Return all arrays in nested values."""
    if isinstance(value, np.ndarray):
        return [value]
    inner = value if isinstance(value, list | tuple) else vars(value).values() if hasattr(value, "__dict__") else ()
    return [array for item in inner for array in find_arrays(item)]


def test_methods_are_those_of_the_protocol() -> None:
    assert all(callable(getattr(StillWorld, name)) for name in WORLD_METHODS)
    assert set(WORLD_METHODS) <= set(dir(CheckedWorld))
