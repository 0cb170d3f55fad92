"""Public functions refuse wrong values in a sentence, and take arrays of any memory layout."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_motions import made_motion

import selfcorrect as sc
from selfcorrect.core.errors import SelfcorrectError


def list_functions_of_motions() -> dict[str, Callable[..., Any]]:
    """Return the public functions of motions.

    The first argument is a motion, motions or a function of them.
    """
    functions = {}
    for name in dir(sc):
        function = getattr(sc, name)
        if inspect.isfunction(function):
            first = next(iter(inspect.signature(function).parameters.values()), None)
            if first is not None and "otion" in f"{first.name} {first.annotation}":
                functions[name] = function
    return functions


@pytest.mark.parametrize("name", list_functions_of_motions())
@pytest.mark.parametrize("value", [None, 3, 2.5, object()])
def test_other_values_raise(name: str, value: object) -> None:
    function = list_functions_of_motions()[name]
    parameters = inspect.signature(function).parameters.values()
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [part for part in parameters if part.default is part.empty and part.kind in positional]
    with pytest.raises(SelfcorrectError):
        function(*[value] * max(len(needed), 1))


def misalign(array: np.ndarray) -> np.ndarray:
    """Return the same numbers at an odd address."""
    unaligned = np.frombuffer(b"x" + array.tobytes(), dtype=array.dtype, offset=1).reshape(array.shape)
    assert not unaligned.flags.aligned
    return unaligned


def pack(array: np.ndarray) -> np.ndarray:
    """Return the numbers as a packed record's field."""
    kind = np.dtype([("mark", "u1"), ("values", array.dtype, array.shape[1:])])
    records = np.zeros(len(array), kind)
    records["values"] = array
    assert not records["values"].flags.aligned
    return records["values"]


@pytest.mark.slow
@pytest.mark.parametrize("move", [misalign, pack])
def test_unaligned_arrays_work(move: Callable[..., np.ndarray], tmp_path: Path) -> None:
    motion = made_motion("walk", frames=30)
    skeleton = replace(motion.skeleton, offsets_m=move(motion.skeleton.offsets_m))
    moved = replace(motion, skeleton=skeleton, root_m=move(motion.root_m), rotations=move(motion.rotations))
    for name, version in (("a.bvh", motion), ("b.bvh", moved)):
        sc.save_motion(tmp_path / name, version)
    assert (tmp_path / "a.bvh").read_bytes() == (tmp_path / "b.bvh").read_bytes()
    assert sc.check(moved) == sc.check(motion)
    np.testing.assert_array_equal(sc.joint_positions(moved), sc.joint_positions(motion))
    corrected = [sc.correct(version, kinematic=True).motion for version in (motion, moved)]
    np.testing.assert_array_equal(corrected[0].rotations, corrected[1].rotations)
