"""Failing and killed operations lose nothing.

Whichever it is, the next run finishes. The work that each kind of store does is small, and every one of its operations
is tried in turn.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from made_motions import made_motion
from robustness.damage import SCALE
from robustness.faults import DIED, attempt, die, faults, full_disk, in_a_fork

from selfcorrect.commands.cli import main
from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.datasets.files.open import save_motion
from selfcorrect.loop.correctors.contract import Corrected
from selfcorrect.loop.correctors.loop_correction import Correction
from selfcorrect.loop.models.gaussian import Gaussian
from selfcorrect.loop.policy import parse_policy
from selfcorrect.loop.run import Arm, Task, run_loop, train_first_generation
from selfcorrect.loop.store.folder_store import FolderStore, find_damage
from selfcorrect.storage.files.digests import encode_with_digest
from selfcorrect.storage.files.locks import FolderLock
from selfcorrect.storage.files.writing import remove_folder, remove_leftovers, write_atomically, write_folder

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore")]


def shrink_and_reject(samples: Samples, stream: Stream) -> Corrected:
    noise = torch.randn(samples.values.shape, generator=stream.generator(), dtype=torch.float64)
    return Corrected(samples.with_values(samples.values * 0.9 + 0.1 * noise), samples.values[:, 0] > -1)


def loop(folder: Path) -> None:
    """Run a small loop that fills a run folder.

    The loop runs to its end, and only its last generation is kept. Of the first model, only what samples is kept.
    """
    stream = streams(11)
    model = Gaussian.standard(2)
    real = Samples.real(model.sample(torch.zeros(50, dtype=torch.int64), stream.child("data")))
    task = Task(model, real, lambda candidate: {"mean": candidate.samples(20).values.mean()})
    config = {"policy": "accumulate_subsample:30"}
    arm = Arm(parse_policy(config["policy"]), 3, correction=Correction(shrink_and_reject, 2.0))
    with (
        FolderStore(folder / "first", config) as first,
        FolderStore(folder / "arm", config, keep_models=False) as store,
    ):
        train_first_generation(task, first, stream)
        last_model = run_loop(task, arm, store, first, stream)
        store.finish(dict(last_model.state()))
        first.finish({"mean": torch.full((1,), 7.0)})


def files(folder: Path) -> None:
    """Write, rewrite and remove files and a folder."""
    with FolderLock(folder):
        remove_leftovers(folder, below=True)
        for text in ("one", "two"):
            for name in ("a.json", "b/c.json"):
                write_atomically(folder / name, encode_with_digest({"text": text}))
        if not (folder / "whole").exists():
            write_folder(folder / "whole", {"a": b"1", "b": b"2"})
        if (folder / "b").exists():
            remove_folder(folder / "b")


def command(*words: str) -> Callable[[Path], None]:
    """Run a command whose exit code raises."""

    def work(folder: Path) -> None:
        if code := main(
            [str(folder.parent / word) if word.startswith("in/") else word.format(folder) for word in words]
        ):
            raise SelfcorrectError(f"ended with exit code {code}")

    return work


WORKS: dict[str, Callable[[Path], None]] = {
    "loop": loop,
    "files": files,
    "correct": command("correct", "in/a.bvh", "-o", "{}", "--kinematic", "--workers", "1"),
    "shards": command("data", "shard", "in/a.bvh", "-o", "{}", "--overwrite", "--workers", "1"),
    "convert": command("data", "convert", "in/a.bvh", "--out", "{}", "--to", "amass", "--overwrite"),
}


def content_of(folder: Path) -> Mapping[str, bytes]:
    """Map files to what runs must share.

    Times, and digests of them, differ from run to run.
    """
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file())
    skipped = ("timings.json", "environment.json", ".selfcorrect.lock", "digests.json")
    return {
        str(path.relative_to(folder)): _timeless(path.read_bytes().replace(str(folder).encode(), b""))
        for path in paths
        if path.name not in skipped
    }


def _timeless(content: bytes) -> bytes:
    timeless, count = re.subn(rb'"seconds[a-z_]*": [-0-9.e]+', b"", content)
    return re.sub(rb'"sha256": "[0-9a-f]+"', b"", timeless) if count else content


def damage_in(folder: Path) -> list[str]:
    """Return the damage in a folder's generations, including nested ones."""
    runs = {path.parent for path in folder.rglob("generation-*") if path.parent.suffix != ".tmp"}
    return [line for run in runs for lines in find_damage(run).values() for line in lines]


def finish_run(work: Callable[[Path], None], folder: Path, expected: Mapping[str, bytes]) -> None:
    """Finish work; it leaves what no interruption changes."""
    assert not damage_in(folder)
    work(folder)
    assert content_of(folder) == expected
    assert not list(folder.rglob(".*.tmp"))


EACH = {name: 1 if SCALE > 1 else {"loop": 8, "files": 2}.get(name, 16) for name in WORKS}
"""Every second operation on plain files fails, and each other is the last before a kill; of a loop, whose generations
repeat the same operations, every eighth, and of commands every sixteenth. `make campaign` disturbs all in both ways."""


@pytest.fixture(params=WORKS)
def faulty_work(request: pytest.FixtureRequest, tmp_path: Path):
    """Return a work and how to disturb it.

    What it leaves, the count of its operations on files, and the distance of those that are disturbed.
    """
    save_motion(tmp_path / "in" / "a.bvh", made_motion("walk", frames=12))
    work = WORKS[request.param]
    intact = tmp_path / "whole"
    intact.mkdir()
    work(intact)
    (tmp_path / "counted").mkdir()
    with faults(tmp_path / "counted", 0, die) as counted:
        work(tmp_path / "counted")
    assert counted.count > 3
    return work, content_of(intact), counted.count, EACH[request.param]


def test_every_operation_may_fail(faulty_work, tmp_path: Path) -> None:
    work, expected, count, each = faulty_work
    for number in range(1, count + 1, each):
        for stays in (False, True)[: 1 + (number % 5 == 0)]:
            folder = tmp_path / f"{number}-{stays}"
            folder.mkdir()
            with faults(folder, number, full_disk, stays=stays):
                _, sentence = attempt(partial(work, folder), SelfcorrectError, OSError)
            assert "internal error" not in sentence
            finish_run(work, folder, expected)


def test_kill_at_any_operation(faulty_work, tmp_path: Path) -> None:
    work, expected, count, each = faulty_work
    random = np.random.default_rng(0)
    for number in range(1 + each // 2, count + 1, each):
        folder = tmp_path / str(number)
        folder.mkdir()
        second_kills = [int(random.integers(1, count + 1))] if number % 3 == 0 else []  # some die twice
        for at in (number, *second_kills):

            def dying(at: int = at, folder: Path = folder) -> None:
                with faults(folder, at, die):
                    work(folder)

            message_file = tmp_path / f"{number}.txt"
            assert in_a_fork(dying, message_file) in (0, DIED), message_file.read_text()
        finish_run(work, folder, expected)


def test_faults_are_injected(tmp_path: Path) -> None:
    """So that the tests above could fail."""
    with faults(tmp_path, 1, full_disk), pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a", b"1")
    assert in_a_fork(partial(_die_at, tmp_path), tmp_path / "told") == DIED
    assert list(tmp_path.glob(".*.tmp"))


def _die_at(folder: Path) -> None:
    with faults(folder, 4, die):
        write_atomically(folder / "a", b"1")
