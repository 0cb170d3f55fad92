"""Foreign checkpoints are checked before they are opened.

What is compressed in one counts, and only regular files are opened.
"""

import io
import os
import sys
import zipfile
from pathlib import Path

import pytest
import torch
from mdm_generator.checkpoint import read_tensors

from selfcorrect.core.errors import InputError


def checkpoint(count: int) -> bytes:
    file = io.BytesIO()
    torch.save({"weight": torch.zeros(count)}, file)
    return file.getvalue()


def compress(content: bytes) -> bytes:
    """Compress all members of a PyTorch file, which PyTorch still reads."""
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as plain, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in plain.namelist():
            archive.writestr(name, plain.read(name))
    return packed.getvalue()


def test_unpacked_size_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELFCORRECT_UNPACKED_LIMIT_MB", "1")
    for name, content in (("large.pt", checkpoint(10**6)), ("small.pt", compress(checkpoint(1000)))):
        (tmp_path / name).write_bytes(content)
        assert not read_tensors(tmp_path / name)["weight"].any()
    (tmp_path / "bomb.pt").write_bytes(compress(checkpoint(10**6)))
    with pytest.raises(InputError, match=r"bomb\.pt:.*3\.8\d* MB.*1 MB"):
        read_tensors(tmp_path / "bomb.pt")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")
def test_pipe_raises(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.pt")
    with pytest.raises(InputError, match="regular file"):
        read_tensors(tmp_path / "pipe.pt")
