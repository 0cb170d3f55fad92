"""Options of reading reach every command and give what `correct` saw.

`tests/robustness` tries every option of reading with each command.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from helpers import Says
from posed_motions import gliding, standing

import selfcorrect as sc
from selfcorrect.commands.cli import main
from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.files.rigs.bvh import clip_of, write_bvh
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.body.smpl import SMPL_BODY

TURNED = ["--up", "z!", "--metres-per-unit", "0.02"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a folder with a BVH file of somebody who stands along y."""
    still = np.tile([0.0, 0, 0, 1], (12, 22, 1))
    motion = sc.Motion(SMPL_BODY.average(), np.tile([0.0, 0.93, 0.3], (12, 1)), still, 30.0)
    write_bvh(tmp_path / "a.bvh", clip_of(motion))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(options: list[str], folder: Path) -> sc.Motion:
    """What `data convert` makes of the file."""
    assert main(["data", "convert", "a.bvh", "--to", "gltf", "--out", "out", "--overwrite", *options]) in (0, None)
    return sc.load_motion(folder / "out" / "a.glb", sc.Reading(up="y!"))


def test_convert_sees_what_reading_says(folder: Path) -> None:
    expected = sc.load_motion(folder / "a.bvh", sc.Reading(up="z!", metres_per_unit=0.02))
    lying = read(TURNED, folder)
    standing = read([], folder)
    np.testing.assert_allclose(lying.root_m, expected.root_m, atol=1e-6)
    assert np.ptp(sc.joint_positions(standing)[0, :22, 1]) > 1.2 > np.ptp(sc.joint_positions(lying)[0, :22, 1])


def test_view_draws_what_reading_says(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[sc.Motion] = []
    monkeypatch.setattr(
        "selfcorrect.motion.pictures.drawing.draw_motions",
        lambda out, motions, titles, **options: drawn.extend(motions),
    )
    main(["view", "a.bvh", "--out", "a.png", *TURNED])
    expected = sc.load_motion(folder / "a.bvh", sc.Reading(up="z!", metres_per_unit=0.02))
    np.testing.assert_allclose(drawn[0].root_m, expected.root_m, atol=1e-9)


@pytest.mark.parametrize("command", [["check"], ["data", "check", "--json"]], ids=" ".join)
def test_checks_judge_what_reading_says(folder: Path, command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    main([*command, "a.bvh", *TURNED])
    assert "another axis up?" in capsys.readouterr().out
    main([*command, "a.bvh"])
    assert "another axis up?" not in capsys.readouterr().out


def test_stats_and_shards_use_options(folder: Path, says: Says) -> None:
    pytest.importorskip("pyarrow")
    says("data shard a.bvh -o shards", *TURNED)
    (motion,) = sc.load_motions(folder / "shards")
    expected = sc.load_motion(folder / "a.bvh", sc.Reading(up="z!", metres_per_unit=0.02))
    np.testing.assert_allclose(motion.root_m, expected.root_m, atol=1e-5)
    np.testing.assert_allclose(
        sc.load_motions(folder / "a.bvh", sc.Reading(up="z!", metres_per_unit=0.02))[0].root_m, expected.root_m
    )
    assert says("data stats a.bvh", *TURNED) != says("data stats a.bvh --up y")


def test_flying_dancer_is_put_down(tmp_path: Path, says: Says) -> None:
    """A dancer whose feet never stand is put down with the lowest soles on the floor.

    Options that say where the floor is do the same.
    """
    sc.save_motion(tmp_path / "a.bvh", gliding(0.3))
    correct = ("correct --engine mujoco", tmp_path / "a.bvh", "-o")
    assert "the motion was put on the floor" in says(*correct, tmp_path / "plain", code=1), "feet still slide"
    for option in ("--floor=0.3", "--drop"):
        assert "not corrected" not in says(*correct, tmp_path / option, option, code=1)
        assert f"m ({option[:7]}" in (tmp_path / option / "report.json").read_text()
    for folder in ("plain", "--floor=0.3", "--drop"):
        motion = sc.load_motion(tmp_path / folder / "a.bvh")
        joints = [joint for joint, name in enumerate(motion.skeleton.names) if not name.endswith("_end")]
        assert -0.005 < sc.joint_positions(motion, joints)[..., 1].min() < 0.1, "toes bend, and their tips do not"


@pytest.mark.parametrize("above_m", [-0.4, 0.0, 0.3])
def test_standing_bodies_share_floor(tmp_path: Path, above_m: float) -> None:
    motion = standing()
    sc.save_motion(tmp_path / "a.bvh", replace(motion, root_m=motion.root_m + np.array([0.0, above_m, 0.0])))
    lowered = sc.load_motion(tmp_path / "a.bvh", Reading(floor=above_m))
    dropped = sc.load_motion(tmp_path / "a.bvh", Reading(drop=True))
    np.testing.assert_allclose(lowered.root_m, motion.root_m, atol=1e-5)
    assert abs((dropped.root_m - motion.root_m)[:, 1]).max() < 0.03
    with pytest.raises(SettingError, match="only one"):
        Reading(floor=above_m, drop=True)


def test_readings_say_something_or_nothing() -> None:
    assert not Reading(allow_pickle=True).tells_anything
    assert replace(Reading(allow_pickle=True), up="y").tells_anything
