"""Files of arrays depend on the arrays alone."""

import time
from pathlib import Path

import numpy as np
import pytest

from selfcorrect.storage.files.arrays import read_npz, write_npz


def test_object_arrays_copy_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.savez(tmp_path / "given.npz", places=np.zeros(3), names=np.array([None, "hips"], object))
    for year in (2001, 2002):
        now = time.struct_time((year, 2, 3, 4, 5, 6, 0, 34, 0))
        monkeypatch.setattr(time, "localtime", lambda *_, now=now: now)
        write_npz(tmp_path / f"{year}.npz", {"places": np.ones(3)}, objects_of=tmp_path / "given.npz")
    assert (tmp_path / "2001.npz").read_bytes() == (tmp_path / "2002.npz").read_bytes()
    with np.load(tmp_path / "2001.npz", allow_pickle=True) as file:
        assert file["names"].tolist() == [None, "hips"]
    np.testing.assert_array_equal(read_npz(tmp_path / "2001.npz", skip_pickled=True)["places"], np.ones(3))
