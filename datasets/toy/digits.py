"""Handwritten digits: scikit-learn's bundled 8×8 images."""

import numpy as np
import torch
from torch import Tensor


def bundled_digits() -> tuple[Tensor, Tensor]:
    """Return the bundled digits: 1797 images and labels.

    Images are (1797, 8, 8) float32 in [−1, 1], ink high; labels are (1797,) int64. Nothing is downloaded.
    """
    from sklearn.datasets import load_digits  # slow to import

    pixels, labels = load_digits(return_X_y=True)
    images = np.asarray(pixels).reshape(-1, 8, 8) / 8 - 1
    return torch.tensor(images, dtype=torch.float32), torch.tensor(np.asarray(labels), dtype=torch.int64)
