"""A figure has one value in all commands and functions."""

import csv
import json
from pathlib import Path

import pytest
from helpers import Says

import selfcorrect as sc
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.experiments.commands.correct.demonstration import Demonstration, spoiled_walk
from selfcorrect.experiments.commands.data.sources import measure_motion
from selfcorrect.motion.measures.physical import ERRORS

SLIDING = {"F3", "F8", "F11"}
"""Rules of `check` on feet that slide."""


@pytest.mark.slow
def test_skating_is_equal_everywhere(tmp_path: Path, says: Says) -> None:
    path, corrected, table = tmp_path / "walk.bvh", tmp_path / "out" / "walk.bvh", tmp_path / "table.csv"
    save_motion(path, spoiled_walk())
    says("correct", path, "-o", tmp_path / "out", "-q")
    (record,) = json.loads((tmp_path / "out" / "report.json").read_text())["motions"]
    says("check --references --csv", table, path, corrected, code=1)
    with table.open() as file:
        ranked = {Path(row["path"]): float(row["skate_m_s"]) for row in csv.DictReader(file)}
    before, after = open_motion(path).motion, open_motion(corrected).motion

    assert record["before"]["skate_m_s"] == pytest.approx(sc.measure(before).skate_m_s, rel=1e-6)
    assert ranked[path] == pytest.approx(sc.measure(before).skate_m_s, rel=1e-5)
    assert ranked[corrected] == pytest.approx(sc.measure(after).skate_m_s, rel=1e-5)
    assert record["after"]["skate_m_s"] == pytest.approx(sc.measure(after, before).skate_m_s, rel=1e-3)
    correction = sc.correct(before)
    lines = Demonstration(before, correction).lines()
    (shown,) = [line for line in lines if "skating" in line]
    values = [1000 * sc.measure(before).skate_m_s, 1000 * sc.measure(correction.motion, before).skate_m_s]
    assert shown.split()[1:4:2] == [f"{value:.0f}" for value in values]
    (checked, _) = json.loads(says("check --format json", path, corrected, code=1))
    assert SLIDING & {finding["code"] for motion in checked["motions"] for finding in motion}


def test_penetration_and_floating_are_equal_everywhere(tmp_path: Path, says: Says) -> None:
    path = tmp_path / "walk.bvh"
    save_motion(path, spoiled_walk())
    says("correct", path, "-o", tmp_path / "out", "-q")
    (record,) = json.loads((tmp_path / "out" / "report.json").read_text())["motions"]
    text = says("check", tmp_path / "out" / "walk.bvh", "--against", path, "--format", "json", code=1)
    (difference,) = json.loads(text)
    for index, errors in enumerate((record["before"], record["after"])):
        assert difference["penetration_mm"][index] == pytest.approx(1000 * errors["penetration_m"], abs=0.1)
        assert difference["floating_mm"][index] == pytest.approx(1000 * errors["floating_m"], abs=0.1)
        assert difference["skating_mm_s"][index] == pytest.approx(1000 * errors["skate_m_s"], abs=0.5)
    (shown,) = (measure_motion(open_motion(path).motion)[error.heading] for error in ERRORS[:1])
    assert shown == pytest.approx(difference["penetration_mm"][0], rel=1e-6)


def test_frame_counts_must_agree() -> None:
    motion = spoiled_walk()
    with pytest.raises(sc.SettingError, match="frames"):
        sc.measure(motion, motion.frames(0, 10))
