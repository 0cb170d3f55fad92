"""Use one PyTorch thread, because the tensors of toys are too small to divide."""

from collections.abc import Iterator

import pytest

try:
    import torch
except ModuleNotFoundError:  # in the base installation, where all tests of this folder are skipped
    torch = None


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
