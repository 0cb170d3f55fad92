"""Runs toy loops by name and writes their gallery."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from selfcorrect.experiments.targets import check_output
from selfcorrect.experiments.toy.gallery import PAGE, RESULTS, Exhibit, is_gallery, write_gallery
from selfcorrect.experiments.toy.table import TOYS


def run_loops(names: Sequence[str], out: Path, *, quick: bool = False, **options: object) -> None:
    """Run loops, print one line each, and write the gallery; for the options see `settings_of`."""
    _check_folder(out)
    torch.set_num_threads(1)  # these tensors are too small to share among threads
    exhibits = []
    for name in (bar := tqdm(names, unit="loop", disable=None)):
        bar.set_description(name)
        exhibits.append(exhibit(name, settings_of(name, quick=quick, **options)))
        bar.write(_summary(exhibits[-1]))
    print(f"Gallery: {write_gallery(exhibits, out)}")


def _check_folder(out: Path) -> None:
    """Refuse a folder whose files of these names are not of an earlier gallery, before hours go by."""
    page = out / PAGE
    ours = page.is_file() and is_gallery(page)
    for path in (page, out / RESULTS):
        check_output(path, ours, otherwise="it is no gallery of this command; choose another folder with --out")


def settings_of(name: str, *, quick: bool = False, **options: object) -> Any:
    """A loop's settings with those of the options that it has and that are not None."""
    small = TOYS.load(name).quick()
    settings = small if quick else type(small)()
    known = {one.name for one in fields(settings)}
    return replace(settings, **{key: value for key, value in options.items() if value is not None and key in known})


def exhibit(name: str, settings: Any) -> Exhibit:
    """Run one loop with the given settings."""
    row, start = TOYS.row(name), time.perf_counter()
    result = TOYS.load(name).run(settings)
    return Exhibit(name, row.summary, row.source, settings, result, time.perf_counter() - start)


def _summary(exhibit: Exhibit) -> str:
    held = sum(check.outcome == "holds" for check in exhibit.result.checks)
    failed = [check.statement for check in exhibit.result.checks if check.outcome == "fails"]
    tail = f"; fails: {'; '.join(failed)}" if failed else ""
    return f"{exhibit.name}: {held} of {len(exhibit.result.checks)} statements hold, {exhibit.seconds:.1f} s{tail}"
