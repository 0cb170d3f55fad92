"""Compiled kernels give NumPy's bits."""

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from selfcorrect.motion import kinematics
from selfcorrect.motion.geometry import compiled, rotations, vectors
from selfcorrect.motion.motion import Motion

needs_kernels = pytest.mark.skipif(compiled.KERNELS is None, reason="the kernels are not compiled here")
GENERATOR = np.random.default_rng(7)
QUATERNIONS = GENERATOR.normal(size=(6, 5, 4))
VECTORS = GENERATOR.normal(size=(6, 5, 3))


@pytest.fixture
def both(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Compare kernels and NumPy bit by bit.

    The fixture calls a function with both.
    """

    def compare(function, *arguments) -> None:
        results = []
        for kernels in (compiled.KERNELS, None):
            monkeypatch.setattr(compiled, "KERNELS", kernels)
            result = function(*arguments)
            results.append(result if isinstance(result, tuple) else (result,))
        for fast, slow in zip(*results, strict=True):
            np.testing.assert_array_equal(fast, slow, strict=True)

    return compare


@needs_kernels
@pytest.mark.parametrize(
    "select",
    [
        lambda values: (values, values[::-1]),
        lambda values: (values, values[0]),
        lambda values: (values[0, 0], values),
        lambda values: (values[:, None, :1], values[:, :, None]),
        lambda values: (values.transpose(1, 0, 2), values[:5, :, ::-1].repeat(2, 1)[:, ::2].repeat(2, 1)[:, :6]),
        lambda values: (values[:0], values[:0]),
        lambda values: (values[0, 0], values[1, 1]),
    ],
)
def test_products_broadcast_like_numpy(both, select):
    first, second = select(QUATERNIONS)
    both(rotations.compose, first, second)
    rotation, vector = select(QUATERNIONS)[0], select(VECTORS)[1]
    both(rotations.rotate, rotation, vector)
    both(rotations.compose, first.astype(np.float32), second)
    first, second = select(VECTORS)
    both(vectors.cross, first, second)


@needs_kernels
@pytest.mark.parametrize("joints", [None, [7, 3], [0]])
def test_poses(both, walk: Motion, joints):
    turns = 3.0 * walk.rotations[:12]
    both(kinematics.forward_kinematics, walk.skeleton, walk.root_m[:12], turns, joints)
    batch = turns.reshape(3, 4, *turns.shape[1:])
    both(kinematics.forward_kinematics, walk.skeleton, walk.root_m[0], batch, joints)
    both(kinematics.joint_positions, walk.frames(0, 12), joints)


@needs_kernels
def test_wrong_arrays_are_refused():
    assert compiled.KERNELS is not None
    with pytest.raises(ValueError, match="broadcast"):
        compiled.KERNELS.compose(np.ones((2, 4)), np.ones((3, 4)), np.empty((3, 4)))
    with pytest.raises(TypeError, match="array 'd'"):
        compiled.KERNELS.rotate(np.ones(4, np.float32), np.ones(3), np.empty(3))
    one = np.zeros(1, np.int32)
    with pytest.raises(ValueError, match="tree"):
        compiled.KERNELS.pose(
            *(np.ones((2, 3)), np.ones((2, 1, 4)), np.ones((1, 3)), one, one + 5, one),
            *(np.empty((2, 1, 3)), np.empty((2, 1, 4))),
        )
    with pytest.raises(ValueError, match="too short"):
        compiled.KERNELS.steer(*(np.ones((2, 42)) for _ in range(7)), np.ones(9), *(np.ones((2, 9)) for _ in range(5)))
    with pytest.raises(ValueError, match="no such joint"):
        compiled.KERNELS.turn_legs(np.full(6, 3, np.int32), np.ones((1, 18)), np.ones((1, 6)), np.ones((1, 3, 4)))


def test_environment_disables_kernels(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SELFCORRECT_PURE", "1")
    program = "from selfcorrect.motion.geometry.compiled import KERNELS; assert KERNELS is None"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_old_kernels_fall_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "KERNELS", SimpleNamespace(cross=print))
    assert compiled.find_kernel("cross", VECTORS) is print
    assert compiled.find_kernel("cross", VECTORS, VECTORS.astype(np.float32)) is None
    assert compiled.find_kernel("compose", QUATERNIONS) is None


@needs_kernels
def test_kernels_are_found_by_name() -> None:
    names = set()
    root = Path(__file__).resolve().parents[4]
    for package in ("selfcorrect", "datasets", "simulators", "experiments", "commands"):
        for path in (root / package).rglob("*.py"):
            names |= set(re.findall(r'find_kernel\(\s*"(\w+)"', path.read_text(encoding="utf-8")))
    assert names == {name for name in dir(compiled.KERNELS) if not name.startswith("__")}
