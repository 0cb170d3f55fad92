"""The toy loops by name, with the settings and the paper of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from tqdm import tqdm

from selfcorrect.errors import SettingError
from selfcorrect.experiments.toy import (
    biased_corrector,
    crossfeed,
    curation,
    digits,
    fairness,
    gaussian_collapse,
    gaussian_correct,
    language,
    lineages,
    linear,
    mad,
    mixture,
    provenance,
    shapes,
    stability,
    weighting,
)
from selfcorrect.experiments.toy.gallery import Exhibit, write_gallery
from selfcorrect.experiments.toy.result import Result


@dataclass(frozen=True)
class Preset:
    """A named toy experiment: full settings, small settings for a quick look, and the function that runs either."""

    title: str
    source: str
    full: Any
    quick: Any
    run: Callable[[Any], Result]


def _preset(title: str, source: str, module: ModuleType, settings: type) -> Preset:
    """The preset of an experiment module: its settings class, its `quick` settings and its `run`."""
    return Preset(title, source, settings(), module.quick(), module.run)


PRESETS: Mapping[str, Preset] = {
    "gaussian-correct": _preset(
        "A Gaussian, corrected towards the truth",
        "Gillman et al. 2024",
        gaussian_correct,
        gaussian_correct.GaussianCorrect,
    ),
    "gaussian-collapse": _preset(
        "A Gaussian under each data policy",
        "Shumailov et al. 2024; Alemohammad et al. 2024; Bertrand et al. 2024; Gerstgrasser et al. 2024",
        gaussian_collapse,
        gaussian_collapse.GaussianCollapse,
    ),
    "stability": _preset(
        "Where augmented loops are stable", "Bertrand et al. 2024; Gillman et al. 2024", stability, stability.Stability
    ),
    "linear": _preset("Linear regression on its own labels", "Gerstgrasser et al. 2024", linear, linear.Linear),
    "weighting": _preset("The weight of fresh real data", "He, Xu and Cheng 2025", weighting, weighting.Weighting),
    "biased-corrector": _preset(
        "Verifiers that are wrong or blind",
        "Yi et al. 2026; Qiao et al. 2026",
        biased_corrector,
        biased_corrector.BiasedCorrector,
    ),
    "curation": _preset("Human curation", "Ferbach et al. 2024", curation, curation.Curation),
    "mad": _preset("Cherry-picked samples", "Alemohammad et al. 2024", mad, mad.Mad),
    "mixture": _preset("A mixture of Gaussians", "Shumailov et al. 2024", mixture, mixture.MixtureLoop),
    "provenance": _preset(
        "A detector of synthetic samples",
        "provenance filtering, after Alemohammad et al. 2024",
        provenance,
        provenance.Provenance,
    ),
    "shapes": _preset(
        "Four kinds of models on planar data",
        "Shumailov et al. 2024; Bertrand et al. 2024; Gerstgrasser et al. 2024; Alemohammad et al. 2024",
        shapes,
        shapes.Shapes,
    ),
    "fairness": _preset("Who pays for the shift", "Wyllie et al. 2024", fairness, fairness.Fairness),
    "language": _preset(
        "Words and text",
        "Seddik et al. 2024; Shumailov et al. 2024; Gerstgrasser et al. 2024",
        language,
        language.Language,
    ),
    "digits": _preset("Digits, corrected by k-means", "Gillman et al. 2024", digits, digits.Digits),
    "lineages": _preset(
        "Why modes are lost", "after Wright 1931 and Fisher 1930; Alemohammad et al. 2025", lineages, lineages.Lineages
    ),
    "crossfeed": _preset(
        "Models that feed each other", "after Alemohammad et al. 2024", crossfeed, crossfeed.Crossfeed
    ),
}


def run_loops(names: Sequence[str], out: Path, *, quick: bool = False, **options: object) -> None:
    """Run loops, print one line each, and write the gallery; for the options see `settings_of`."""
    torch.set_num_threads(1)  # these tensors are too small to share among threads
    exhibits = []
    for name in (bar := tqdm(chosen(names), unit="loop", disable=None)):
        bar.set_description(name)
        exhibits.append(_exhibit(name, settings_of(name, quick=quick, **options)))
        bar.write(_summary(exhibits[-1]))
    print(f"Gallery: {write_gallery(exhibits, out)}")


def chosen(names: Sequence[str]) -> list[str]:
    """The presets to run, in the table's order; SettingError for a name that is not there."""
    unknown = [name for name in names if name not in (*PRESETS, "all")]
    if unknown or not names:
        asked = ", ".join(map(repr, unknown)) or "nothing"
        raise SettingError(f"unknown toy loop {asked}; known are all, {', '.join(PRESETS)}")
    return [name for name in PRESETS if "all" in names or name in names]


def settings_of(name: str, *, quick: bool = False, **options: object) -> Any:
    """A preset's settings with those of the options that it has and that are not None."""
    settings = PRESETS[name].quick if quick else PRESETS[name].full
    known = {one.name for one in fields(settings)}
    return replace(settings, **{key: value for key, value in options.items() if value is not None and key in known})


def lines() -> list[str]:
    """Name, title and source of each preset."""
    return [f"{name:18} {preset.title} ({preset.source})" for name, preset in PRESETS.items()]


def _exhibit(name: str, settings: Any) -> Exhibit:
    preset, start = PRESETS[name], time.perf_counter()
    result = preset.run(settings)
    return Exhibit(name, preset.title, preset.source, settings, result, time.perf_counter() - start)


def _summary(exhibit: Exhibit) -> str:
    held = sum(check.outcome == "holds" for check in exhibit.result.checks)
    failed = [check.statement for check in exhibit.result.checks if check.outcome == "fails"]
    tail = f"; fails: {'; '.join(failed)}" if failed else ""
    return f"{exhibit.name}: {held} of {len(exhibit.result.checks)} statements hold, {exhibit.seconds:.1f} s{tail}"
