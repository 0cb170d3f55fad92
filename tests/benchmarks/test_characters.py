"""The table of characters: a walk is corrected, and what nobody can correct is kept apart from what is refused."""

from pathlib import Path

import numpy as np
import pytest

import selfcorrect as sc
from benchmarks.characters import correct_characters, main
from selfcorrect.experiments.file_correction.demo import walk


def test_every_file_gets_a_row(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "package"
    folder.mkdir()
    sc.save_motion(folder / "walk.glb", walk(1))
    chain = sc.Skeleton(tuple("abcd"), (-1, 0, 1, 2), np.array([[0.0, 0, 0], *[[0.0, 0.2, 0]] * 3]), ("",) * 4)
    sc.save_motion(folder / "chain.glb", sc.Motion(chain, walk(1).root_m, walk(1).rotations[:, :4], 30.0))
    (folder / "page.bvh").write_text("<!DOCTYPE html>")
    rows = {row.name: row for row in correct_characters(tmp_path)}
    assert [rows[name].outcome for name in ("walk.glb", "chain.glb", "page.bvh")] == [
        "corrected",
        "no human",
        "refused",
    ]
    assert rows["walk.glb"].skate_after_mm_s < rows["walk.glb"].skate_before_mm_s
    assert {row.package for row in rows.values()} == {"package"}
    main(tmp_path)
    assert ".glb: 1 files of moving humans, 0 refused (0%)" in capsys.readouterr().out
