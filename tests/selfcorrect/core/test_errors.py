"""Errors travel between processes with the same message."""

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from selfcorrect.core import errors
from selfcorrect.core.errors import JobsError, LoopError, MissingExtraError, SampleError, SelfcorrectError

MADE = {
    SampleError: SampleError(3, "it fell"),
    LoopError: LoopError("generation 2 stopped", "Traceback …"),
    JobsError: JobsError("1 of 3 jobs failed", {}, "Traceback …"),
    MissingExtraError: MissingExtraError("a film", "video", ImportError("No module named 'imageio'")),
}


def family(kind: type[SelfcorrectError]) -> list[type[SelfcorrectError]]:
    """A class and all that come from it."""
    return [kind, *(member for child in kind.__subclasses__() for member in family(child))]


@pytest.mark.parametrize("kind", [kind for kind in family(SelfcorrectError) if kind.__module__ == errors.__name__])
def test_pickling_keeps_error(kind: type[SelfcorrectError]) -> None:
    error = MADE.get(kind) or kind("what, where, what is expected")
    error.add_note("seen in a worker")
    unpickled = pickle.loads(pickle.dumps(error))
    assert type(unpickled) is kind
    assert str(unpickled) == str(error)
    assert vars(unpickled) == vars(error)


def test_missing_extra_is_import_error() -> None:
    with pytest.raises(ImportError, match=r"`video`.*pip.*'selfcorrect\[video\]'"):
        raise pickle.loads(pickle.dumps(MADE[MissingExtraError]))


def fail() -> None:
    raise SampleError(3, "it fell")


def test_worker_error_arrives_whole() -> None:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool, pytest.raises(SampleError, match="it fell") as caught:
        pool.submit(fail).result()
    assert caught.value.sample == 3
