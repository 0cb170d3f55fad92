"""Rows of HumanML3D with their captions."""

from pathlib import Path

import numpy as np
from humanml3d_files import write_humanml3d
from mdm_generator.rows import captioned_rows, read_statistics


def test_rows_have_captions(tmp_path: Path) -> None:
    write_humanml3d(tmp_path, {"train": 6, "test": 2})
    (tmp_path / "texts" / "000000.txt").write_text(
        "a person walks#a/DET person/NOUN walk/VERB#0.0#0.0\nthen stops#stop/VERB#0.5#2.5\nshort#short/ADJ#0.0#0.3\n"
    )
    rows = np.load(tmp_path / "new_joint_vecs" / "000000.npy")
    np.save(tmp_path / "new_joint_vecs" / "000001.npy", np.tile(rows, (5, 1))[:200])
    captioned = captioned_rows(tmp_path, "train")
    assert [row.name for row in captioned] == ["000000", "000000 0.5-2.5 s", *(f"{n:06d}" for n in range(2, 6))]
    np.testing.assert_allclose(captioned[1].rows, rows[10:50])
    assert captioned[0].captions[0].tokens == "a/DET person/NOUN walk/VERB"
    assert [len(row.captions) for row in captioned[2:]] == [2, 1, 2, 2]
    mean, std = read_statistics(tmp_path / "Mean.npy", tmp_path / "Std.npy")
    assert (mean.shape, (std > 0).all()) == ((263,), True)
