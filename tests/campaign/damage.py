"""One flipped bit, a truncation or an edit in a file of a run: it has to be noticed, and mended on request."""

from __future__ import annotations

import functools
import json
import shutil
import warnings
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np
import torch
from harness import Case, random_of

from selfcorrect.core.errors import RunFolderError
from selfcorrect.core.randomness import Stream, streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import Corrected
from selfcorrect.correctors.correction import Correction
from selfcorrect.loop.policy import parse_policy
from selfcorrect.loop.run import Plan, Task, run_loop, train_first_generation
from selfcorrect.models.gaussian import Gaussian
from selfcorrect.storage.files.locks import LOCK
from selfcorrect.storage.runs.folder_store import FolderStore

CONFIG = {"policy": "accumulate_subsample:30"}


def shrink_and_reject(samples: Samples, stream: Stream) -> Corrected:
    noise = torch.randn(samples.values.shape, generator=stream.torch(), dtype=torch.float64)
    return Corrected(samples.with_values(samples.values * 0.9 + 0.1 * noise), samples.values[:, 0] > -1)


def run(folder: Path, generations: int, *, repair: bool = False) -> None:
    """A small loop with everything that a run folder can hold, from where it stands to its end."""
    stream = streams(11)
    model = Gaussian.standard(2)
    real = Samples.real(model.sample(torch.zeros(50, dtype=torch.int64), stream.child("data")))
    task = Task(model, real, lambda candidate: {"mean": candidate.samples(20).values.mean()})
    plan = Plan(parse_policy(CONFIG["policy"]), generations, correction=Correction(shrink_and_reject, 2.0))
    with (
        FolderStore(folder / "first", CONFIG, repair=repair) as first,
        FolderStore(folder / "arm", CONFIG, keep_models=False, repair=repair) as arm,
    ):
        train_first_generation(task, first, stream)
        run_loop(task, plan, arm, first, stream)


def content_of(folder: Path) -> Mapping[str, bytes]:
    """All files of a run by name, but what differs from run to run."""
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("timings.json", ".selfcorrect.lock")
    ]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@functools.cache
def references(folder: Path) -> tuple[Path, Mapping[str, bytes], Mapping[str, bytes]]:
    """A run of six generations, its content, and what it becomes after two more."""
    short, long = folder / "short", folder / "long"
    run(short, 6)
    shutil.copytree(short, long)
    run(long, 8)
    return short, content_of(short), content_of(long)


def damage_cases(seed: int, count: int, folder: Path) -> list[Case]:
    """`count` damaged runs."""
    references(folder)
    return [Case(f"damage:{case}", partial(_case, seed, case, folder)) for case in range(count)]


def _case(seed: int, case: int, folder: Path) -> str:
    warnings.simplefilter("ignore")
    random, (short, _, wanted) = random_of(seed, "damage", case), references(folder)
    place = folder / f"run-{case}"
    shutil.copytree(short, place)
    paths = sorted(path for path in place.rglob("*") if path.is_file() and path.name != LOCK)
    path = paths[random.integers(len(paths))]
    whole = path.read_bytes()
    path.write_bytes(_damaged(whole, random)) if random.random() < 0.95 else path.unlink()
    name = str(path.relative_to(place))
    try:
        run(place, 8)
        noticed = False
    except RunFolderError:
        noticed = True
    if not noticed:
        unharmed = {
            name: content for name, content in content_of(place).items() if Path(name).name != "environment.json"
        }
        expected = {name: content for name, content in wanted.items() if Path(name).name != "environment.json"}
        if unharmed != expected and not _same_json(path, whole):
            return f"{name}: not noticed, and other files came of it"
        shutil.rmtree(place)
        return ""
    if path.name == "config.json":  # says of itself that it is damaged; no generation can be done again for it
        shutil.rmtree(place)
        return ""
    try:
        run(place, 8, repair=True)
    except RunFolderError as error:
        return f"{name}: not mended: {error}"
    if content_of(place).keys() != wanted.keys():
        return f"{name}: mended to other files"
    different = [
        one for one, content in content_of(place).items() if content != wanted[one] and "environment" not in one
    ]
    shutil.rmtree(place)
    return f"{name}: mended to another content of {different[:3]}" if different else ""


def _same_json(path: Path, whole: bytes) -> bool:
    """Whether a file says the same, in other white space."""
    try:
        return path.suffix == ".json" and json.loads(path.read_bytes()) == json.loads(whole)
    except (ValueError, OSError):
        return False


def _damaged(content: bytes, random: np.random.Generator) -> bytes:
    """One bit flipped, mostly; the end cut off, a number edited, or all of it zeros."""
    damaged = bytearray(content)
    at = int(random.integers(len(content)))
    match random.integers(10):
        case 0:
            return content[:at]
        case 1:
            digits = [place for place, byte in enumerate(content) if chr(byte).isdigit()] or [at]
            place = digits[random.integers(len(digits))]
            damaged[place] = ord("7") if damaged[place] != ord("7") else ord("3")
        case 2:
            damaged[at : at + 512] = bytes(len(damaged[at : at + 512]))
            if damaged == content:
                damaged[at] ^= 1
        case _:
            damaged[at] ^= 1 << int(random.integers(8))
    return bytes(damaged)
