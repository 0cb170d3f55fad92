"""Handwritten digits: MNIST's own files by path."""

import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from selfcorrect.core.errors import InputError
from selfcorrect.storage.files.limits import check_unpacked, read_bytes, unpack

_START = b"\0\0\x08"
"""Start of an idx file of unsigned bytes."""
_MAX_AXES = 3


def mnist(folder: Path, part: str = "train") -> tuple[Tensor, Tensor]:
    """Read MNIST's images and labels.

    Images are (N, 28, 28) float32 in [−1, 1], and labels (N,), from the idx files of the part "train" or "t10k". The
    folder holds train-images-idx3-ubyte, train-labels-idx1-ubyte and so on, gzipped or not, as LeCun et al. publish
    them. Raises InputError, which names the file, if a file is missing or is not an idx file.
    """
    images = read_idx(_find(folder, f"{part}-images"))
    labels = read_idx(_find(folder, f"{part}-labels"))
    if images.ndim != 3 or not images.size or labels.shape != images.shape[:1]:
        raise InputError(
            f"{folder}: images {images.shape} and labels {labels.shape} of {part!r} do not belong together"
        )
    check_unpacked(folder, images.size * torch.float32.itemsize)
    return torch.tensor(images, dtype=torch.float32).div_(127.5).sub_(1), torch.tensor(labels, dtype=torch.int64)


def _find(folder: Path, prefix: str) -> Path:
    files = sorted(folder.glob(f"{prefix}*ubyte*"))
    if not files:
        raise InputError(f"{folder} has no {prefix}-…-ubyte file; MNIST is available from its authors (LeCun et al.)")
    return files[0]


def read_idx(path: Path) -> np.ndarray:
    """Read the bytes of an idx file.

    An idx file, which may be gzipped, has two zero bytes, a type, the number of axes, the sizes, and the values.
    """
    content = read_bytes(path)
    if path.suffix == ".gz":
        content = unpack(path, content)
    if content[:3] != _START or len(content) < 4:
        raise InputError(f"{path} is not an idx file of bytes: it starts with {content[:4].hex(' ') or 'nothing'}")
    axes = content[3]
    start = 4 + 4 * axes
    shape = tuple(int(size) for size in np.frombuffer(content[4 : min(start, len(content) // 4 * 4)], ">u4"))
    expected = start + math.prod(shape)
    if not 0 < axes <= _MAX_AXES or len(shape) != axes or len(content) != expected:
        raise InputError(f"{path} should hold {expected} bytes for an array of shape {shape}, and holds {len(content)}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
