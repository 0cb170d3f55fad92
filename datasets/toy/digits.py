"""Handwritten digits: scikit-learn's bundled 8×8 images, or MNIST's own files by path."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from selfcorrect.core.errors import InputError

IDX_TYPES = {0x08: np.dtype("uint8"), 0x0D: np.dtype(">f4"), 0x0E: np.dtype(">f8")}


def bundled_digits() -> tuple[Tensor, Tensor]:
    """Return 1797 images (1797, 8, 8) float32 in [−1, 1], ink high, and labels (1797,) int64, without a download."""
    pixels, labels = load_digits(return_X_y=True)
    images = np.asarray(pixels).reshape(-1, 8, 8) / 8 - 1
    return torch.tensor(images, dtype=torch.float32), torch.tensor(np.asarray(labels), dtype=torch.int64)


def mnist(folder: Path, part: str = "train") -> tuple[Tensor, Tensor]:
    """Return images (N, 28, 28) float32 in [−1, 1] and labels (N,) of MNIST's idx files, part "train" or "t10k".

    The folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte and so on, gzipped or not, as LeCun et al.
    publish them. Raises InputError, which names the file, if one is missing or is not an idx file.
    """
    images = read_idx(_find(folder, f"{part}-images"))
    labels = read_idx(_find(folder, f"{part}-labels"))
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise InputError(
            f"{folder}: images {images.shape} and labels {labels.shape} of {part!r} do not belong together"
        )
    return torch.tensor(images / 127.5 - 1, dtype=torch.float32), torch.tensor(labels, dtype=torch.int64)


def _find(folder: Path, prefix: str) -> Path:
    files = sorted(folder.glob(f"{prefix}*ubyte*"))
    if not files:
        raise InputError(f"{folder} has no {prefix}-…-ubyte file; MNIST is available from its authors (LeCun et al.)")
    return files[0]


def read_idx(path: Path) -> np.ndarray:
    """Return the array in an idx file, gzipped or not: two zero bytes, type, number of axes, sizes, values."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] not in IDX_TYPES:
        raise InputError(f"{path} is not an idx file: it starts with {content[:4].hex(' ') or 'nothing'}")
    axes = content[3]
    kind = IDX_TYPES[content[2]]
    shape = tuple(int(size) for size in np.frombuffer(content[4 : 4 + 4 * axes], ">u4"))
    expected = 4 + 4 * axes + math.prod(shape) * kind.itemsize
    if len(shape) != axes or len(content) != expected:
        raise InputError(f"{path} should hold {expected} bytes for an array of shape {shape}, and holds {len(content)}")
    return np.frombuffer(content[4 + 4 * axes :], kind).reshape(shape)
