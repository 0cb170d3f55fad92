"""Collections wait while modules are loaded, and what is garbage later is collected as always."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref

import pytest

from selfcorrect.runtime.garbage import postpone_collection


class Cycle:
    def __init__(self) -> None:
        self.itself = self


def test_collections_wait_in_the_block_and_go_on_after_it() -> None:
    with postpone_collection():
        assert not gc.isenabled()
        with postpone_collection():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_collections_go_on_after_an_import_that_fails() -> None:
    with pytest.raises(ModuleNotFoundError), postpone_collection():
        import no_such_module  # noqa: F401
    assert gc.isenabled()


def test_a_cycle_is_collected_where_no_module_was_loaded() -> None:
    with postpone_collection():
        cycle = weakref.ref(Cycle())
    gc.collect()
    assert cycle() is None


@pytest.mark.parametrize(
    ("calls", "is_finalised"),
    [("pass", True), ("skip_last_collections()", False), ("skip_last_collections(); keep_last_collections()", True)],
)
def test_only_finalisers_are_left_out_at_the_end_of_the_program(calls: str, is_finalised: bool) -> None:
    program = (
        "import atexit\n"
        "from selfcorrect.runtime.garbage import keep_last_collections, skip_last_collections\n"
        f"{calls}\n"
        "class Loud:\n"
        "    def __del__(self): print('finalised')\n"
        "atexit.register(print, 'handled')\n"
        "cycle = Loud()\n"
        "cycle.itself = cycle\n"
        "print('ended')\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["ended", "handled", *(["finalised"] if is_finalised else [])]
