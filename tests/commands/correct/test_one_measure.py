"""A figure has one value in all commands and functions."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from helpers import Says

import selfcorrect as sc
from selfcorrect.commands.correct.demonstration import Demonstration, spoiled_walk
from selfcorrect.commands.data.sources import measure_motion
from selfcorrect.datasets.files.open import open_motion, save_motion
from selfcorrect.motion.measures.physical import SHOWN_ERRORS
from selfcorrect.motion.pictures.tracks import FootTracks

SLIDING = {"F3", "F8", "F11"}
"""Rules of `check` on feet that slide."""


@pytest.mark.slow
def test_slip_is_equal_everywhere(tmp_path: Path, says: Says) -> None:
    path, corrected, table = tmp_path / "walk.bvh", tmp_path / "out" / "walk.bvh", tmp_path / "table.csv"
    save_motion(path, spoiled_walk())
    says("correct", path, "-o", tmp_path / "out", "-q")
    (record,) = json.loads((tmp_path / "out" / "report.json").read_text())["motions"]
    says("check --references --csv", table, path, corrected, code=1)
    with table.open() as file:
        ranked = {Path(row["path"]): row for row in csv.DictReader(file)}
    motions = {"before": open_motion(path).motion, "after": open_motion(corrected).motion}
    correction = sc.correct(motions["before"])
    for key in ("slip_m", "slip_m_s"):
        for (when, motion), name in zip(motions.items(), (path, corrected), strict=True):
            expected = getattr(sc.measure(motion), key)
            assert record[when][key] == pytest.approx(expected, rel=1e-6)
            assert float(ranked[name][key]) == pytest.approx(expected, rel=1e-4)
        assert correction.after[key] == pytest.approx(getattr(sc.measure(correction.motion), key), rel=1e-9)
    (shown,) = [line for line in Demonstration(motions["before"], correction).lines() if "slip" in line]
    assert shown.split()[1:4:2] == [
        f"{1000 * errors['slip_m']:.0f}" for errors in (correction.before, correction.after)
    ]
    tracks = FootTracks.from_motion(motions["after"])
    assert tracks is not None
    assert np.mean(tracks.lengths_m()) == pytest.approx(record["after"]["slip_m"], rel=1e-6)
    (checked, after) = json.loads(says("check --format json", path, corrected, code=1))
    for content, when in ((checked, "before"), (after, "after")):
        assert content["slips"] == [{key: pytest.approx(record[when][key]) for key in ("slip_m", "slip_m_s")}]
    assert SLIDING & {finding["code"] for motion in checked["motions"] for finding in motion}


def test_penetration_and_floating_are_equal_everywhere(tmp_path: Path, says: Says) -> None:
    path = tmp_path / "walk.bvh"
    save_motion(path, spoiled_walk())
    says("correct", path, "-o", tmp_path / "out", "-q")
    (record,) = json.loads((tmp_path / "out" / "report.json").read_text())["motions"]
    text = says("check", tmp_path / "out" / "walk.bvh", "--against", path, "--format", "json", code=1)
    (difference,) = json.loads(text)
    # Heights are compared on the ground that standing feet show. `check` finds it without what `correct` knows of the
    # input, so figures agree to half a shown millimetre.
    for index, errors in enumerate((record["before"], record["after"])):
        assert difference["penetration_mm"][index] == pytest.approx(1000 * errors["penetration_m"], abs=0.5)
        assert difference["floating_mm"][index] == pytest.approx(1000 * errors["floating_m"], abs=0.5)
        assert difference["slip_mm"][index] == pytest.approx(1000 * errors["slip_m"], abs=0.1)
    (shown,) = (measure_motion(open_motion(path).motion)[error.heading] for error in SHOWN_ERRORS[:1])
    assert shown == pytest.approx(difference["penetration_mm"][0], rel=1e-6)


def test_frame_counts_must_agree() -> None:
    motion = spoiled_walk()
    with pytest.raises(sc.SettingError, match="frames"):
        sc.measure(motion, motion.frames(0, 10))
