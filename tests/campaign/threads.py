"""The same work in eight threads at once, which has to come to the same as alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier

from bad_files import BYTES, FILES, sound, walker
from harness import Case, random_of

import selfcorrect as sc
from selfcorrect.core.errors import SelfcorrectError
from selfcorrect.datasets.files.open import open_motion
from selfcorrect.motion.checks.check import check

_THREADS = 8
Work = Callable[[], bytes]


def thread_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` sets of work."""
    return [Case(f"threads:{case}", partial(_case, seed, case, folder)) for case in range(count)]


def _case(seed: int, case: int, folder: Path) -> str:
    random, place = random_of(seed, "threads", case), folder / str(case)
    place.mkdir()
    works: list[Work] = []
    for index in range(_THREADS):
        name = list(FILES)[random.integers(len(FILES))]
        damage = [lambda content, _: content, *BYTES][random.integers(1 + len(BYTES))]
        (place / f"{index}-{name}").write_bytes(damage(sound(name), random))
        works.append(partial(_read, place / f"{index}-{name}"))
    if case % 5 == 0:
        engine = ("mujoco", "pybullet")[case // 5 % 2]
        works[: _THREADS // 2] = [partial(_corrected, 24 + int(frames), engine) for frames in random.integers(0, 12, 4)]
    alone = [work() for work in works]
    start = Barrier(_THREADS)

    def together(work: Work) -> bytes:
        start.wait()
        return work()

    with ThreadPoolExecutor(_THREADS) as threads:
        found = list(threads.map(together, works))
    differing = [index for index, (one, other) in enumerate(zip(alone, found, strict=True)) if one != other]
    return f"works {differing} come to something else in threads" if differing else ""


def _read(path: Path) -> bytes:
    """The motions of a file and what is odd about them, or why it is refused."""
    try:
        motions = open_motion(path, any_body=True).motions
        return b"".join(_bytes_of(motion) + repr(check(motion)).encode() for motion in motions)
    except SelfcorrectError as error:
        return re.sub("0x[0-9a-f]+", "", str(error)).encode()  # NumPy tells where in memory its parser's objects are


def _corrected(frames: int, engine: str) -> bytes:
    done = sc.correct(walker(frames), engine=engine)
    return _bytes_of(done.motion) + f"{done.accepted} {done.reason}".encode()


def _bytes_of(motion: sc.Motion) -> bytes:
    return motion.root_m.tobytes() + motion.rotations.tobytes()
