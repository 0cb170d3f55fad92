"""What is of the wrong type gets one sentence before any work."""

from pathlib import Path

import numpy as np
import pytest
import torch
from made_motions import made_motion

import selfcorrect as sc
from selfcorrect.core.errors import InputError, SettingError


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"root_m": made_motion("walk").root_m.astype(np.float16)},
            "array of float32 or float64, got an array of float16",
        ),
        ({"root_m": made_motion("walk").root_m.tolist()}, "got a list"),
        ({"root_m": torch.zeros(120, 3, requires_grad=True)}, "got a Tensor"),
        ({"rotations": np.full((120, 22, 4), None)}, "got an array of object"),
        ({"fps": "30"}, "frames per second must be a number, got '30'"),
        ({"fps": True}, "frames per second must be a number, got True"),
        ({"fps": np.inf}, "expected 0.01 to 100000 frames per second, got inf"),
        ({"fps": 1e-30}, "expected 0.01 to 100000 frames per second, got 1e-30"),
    ],
)
def test_motions_are_made_of_numbers(changed: dict[str, object], message: str) -> None:
    walk = made_motion("walk")
    with pytest.raises(InputError, match=message):
        sc.Motion(**{**vars(walk), **changed})


def test_quaternions_without_a_direction_are_refused() -> None:
    walk = made_motion("walk")
    walk.rotations[7, 3] = 0.0
    with pytest.raises(InputError, match=f"invalid rotation of {walk.skeleton.names[3]} in frame 7"):
        sc.correct(walk, kinematic=True)


def test_only_true_replaces_a_file(tmp_path: Path) -> None:
    for path in (tmp_path / "a.bvh", tmp_path / "a.png"):
        path.write_text("mine")
    with pytest.raises(SettingError, match="overwrite must be True or False, got 'no'"):
        sc.save_motion(tmp_path / "a.bvh", made_motion("walk"), overwrite="no")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="overwrite must be True or False, got 1"):
        sc.draw_motions(tmp_path / "a.png", [made_motion("walk")], overwrite=1)  # type: ignore[arg-type]
    assert {path.read_text() for path in tmp_path.iterdir()} == {"mine"}
