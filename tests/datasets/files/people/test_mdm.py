"""Results of a motion diffusion model round-trip.

Many motions go in, the same file comes out.
"""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.body.smpl import SMPL_BODY

PROMPTS = ["a person stands", "a person sways", "a person leans"]


def results(frames: int = 40) -> dict[str, Any]:
    """Return what the model saves for three motions.

    The motions have 40, 30 and 20 frames and are padded with zeros.
    """
    skeleton = SMPL_BODY.average()
    motion = np.zeros((3, 22, 3, frames), dtype=np.float32)
    lengths = np.array([40, 30, 20])
    for index, length in enumerate(lengths):
        rotations = np.tile([0.0, 0, 0, 1], (length, 22, 1))
        sway = 0.01 * (index + 1) * np.sin(np.linspace(0, 3, length))
        root_m = np.stack([sway, np.full(length, 0.9), 0 * sway], axis=1)
        joints_m = sc.joint_positions(sc.Motion(skeleton, root_m, rotations, 20.0))
        motion[index, :, :, :length] = np.moveaxis(joints_m, 0, -1)
    counts = {"num_samples": 3, "num_repetitions": 1}
    return {"motion": motion, "text": PROMPTS, "lengths": lengths, **counts}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    np.save(tmp_path / "results.npy", np.array(results(), dtype=object), allow_pickle=True)
    return tmp_path / "results.npy"


def load_results(path: Path) -> dict[str, Any]:
    """Load results as the model's own programs do, which only these tests may."""
    return np.load(path, allow_pickle=True).item()


def test_motions_have_prompt_and_length(path: Path) -> None:
    motions = open_motion(path).motions
    assert [(motion.text, len(motion), motion.fps) for motion in motions] == list(
        zip(PROMPTS, [40, 30, 20], [20.0] * 3, strict=True)
    )
    expected_m = np.moveaxis(results()["motion"][1, :, :, :30], -1, 0)
    np.testing.assert_allclose(sc.joint_positions(motions[1]), expected_m, atol=1e-4)


def test_file_round_trip_with_other_joints(path: Path, tmp_path: Path) -> None:
    file = open_motion(path)
    lifted = [replace(motion, root_m=motion.root_m + np.array([0, 0.1, 0])) for motion in file.motions]
    file.write(tmp_path / "new" / "results.npy", *lifted)
    old = load_results(path)
    new = load_results(tmp_path / "new" / "results.npy")
    assert list(new) == list(old)
    assert (new["text"], new["num_samples"], new["motion"].dtype) == (old["text"], 3, old["motion"].dtype)
    for index, length in enumerate(old["lengths"]):
        moved_m = new["motion"][index] - old["motion"][index]
        np.testing.assert_allclose(moved_m[:, 1, :length], 0.1, atol=1e-4)
        np.testing.assert_array_equal(moved_m[..., length:], 0)


def test_every_door_gives_all_motions(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [motion.text for motion in sc.load_motions(path)] == PROMPTS
    assert main(["data", "check", str(path)]) in (0, None)
    assert "3 motions, 90 frames" in capsys.readouterr().out
    with pytest.raises(sc.InputError, match=r"results\.npy.*single motion, got 3"):
        sc.load_motion(path)
    with pytest.raises(sc.InputError, match="got 3; use correct_files"):
        sc.correct_file(path, path.with_name("other.npy"))


def test_converted_to_file_per_motion(path: Path, tmp_path: Path) -> None:
    assert main(["data", "convert", str(path), "--to", "bvh", "--out", str(tmp_path / "bvh")]) in (0, None)
    names = [f"results_{index:03d}.bvh" for index in range(3)]
    assert sorted(path.name for path in (tmp_path / "bvh").iterdir()) == names
    assert [len(sc.load_motion(tmp_path / "bvh" / name)) for name in names] == [40, 30, 20]


def test_corrected_as_one_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = path.parent / "out"
    assert main(["correct", str(path), "--kinematic", "-o", str(out)]) == 1
    assert "Corrected 1 of 1 motion" in capsys.readouterr().out
    (entry,) = json.loads((out / "report.json").read_text())["motions"]
    faults = {finding["name"] for finding in entry["findings_left"] if not finding["reason"]}
    assert faults == {"t-pose"}, "the bodies stand in a T-pose, which no correction changes"
    assert [(motion["text"], motion["verdict"]) for motion in entry["motions"]] == [
        (prompt, "accepted") for prompt in PROMPTS
    ]
    assert entry["frames"] == 90
    assert load_results(out / "results.npy")["text"] == PROMPTS


def test_rejected_motions_stay(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = results()
    content["lengths"] = np.array([40, 2, 20])
    np.save(path, np.array(content, dtype=object), allow_pickle=True)
    out = path.parent / "out"
    assert main(["correct", str(path), "--kinematic", "-o", str(out)]) == 1
    assert "results.npy: 1 of 3 motions stay unchanged: [1]" in capsys.readouterr().out
    (entry,) = json.loads((out / "report.json").read_text())["motions"]
    assert (entry["verdict"], entry["output"]) == ("partly", "corrected")
    assert entry["reason"].startswith("motion 1: too short: at least 4 frames are needed, got 2")
    np.testing.assert_allclose(load_results(out / "results.npy")["motion"][1], content["motion"][1], atol=1e-4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"motion": np.zeros((3, 263, 1, 40), np.float32)},
            r"expected motion of shape \(N, 22, 3, frames\), got float32",
        ),
        ({"lengths": np.array([40, 30])}, r"expected 3 lengths, got int64 \(2,\)"),
        ({"lengths": np.array([40, 41, 20])}, "expected lengths from 1 to 40, got 20 to 41"),
        ({"motion": np.full((3, 22, 3, 40), np.nan, np.float32)}, "motion 0: not finite in frame 0"),
        ({"text": print}, r"refused, as the file holds builtins\.print"),
    ],
)
def test_other_content_raises(path: Path, change: dict[str, Any], message: str) -> None:
    np.save(path, np.array({**results(), **change}, dtype=object), allow_pickle=True)
    with pytest.raises(sc.InputError, match=message):
        open_motion(path)
