"""Idx files, bundled digits and text windows load.

The idx files are tested byte by byte.
"""

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from toy_data.digits import mnist, read_idx
from toy_data.text import split_windows

from selfcorrect.datasets.toy.digits import bundled_digits


def idx_bytes(array: np.ndarray) -> bytes:
    """Return an idx file (LeCun et al.) of unsigned bytes."""
    return struct.pack(f">HBB{array.ndim}I", 0, 0x08, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Path:
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (5, 28, 28), np.uint8)
    labels = np.arange(5, dtype=np.uint8)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(idx_bytes(images))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    return tmp_path


def test_bundled_digits_are_complete() -> None:
    images, labels = bundled_digits()
    assert images.shape == (1797, 8, 8)
    assert (images.min(), images.max()) == (-1.0, 1.0)
    assert len(labels.unique()) == 10


def test_mnist_reads_gzip(mnist_folder: Path) -> None:
    images, labels = mnist(mnist_folder)
    assert images.shape == (5, 28, 28)
    assert labels.tolist() == [0, 1, 2, 3, 4]
    raw = np.frombuffer((mnist_folder / "train-images-idx3-ubyte").read_bytes()[16:], np.uint8)
    assert ((images.flatten() + 1) * 127.5).round().numpy() == pytest.approx(raw)


def test_bad_files_are_named(mnist_folder: Path) -> None:
    with pytest.raises(ValueError, match="no t10k-images"):
        mnist(mnist_folder, "t10k")
    path = mnist_folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte.*3936.*3935"):
        read_idx(path)
    path.write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match="47 49 46 38"):
        read_idx(path)


def test_held_out_windows_come_last() -> None:
    train, held_out = split_windows(torch.arange(103.0), 10, 0.2)
    assert train.shape == (8, 10)
    assert held_out.flatten().tolist() == list(map(float, range(80, 100)))
    with pytest.raises(ValueError, match="windows of 10"):
        split_windows(torch.arange(9.0), 10, 0.2)
