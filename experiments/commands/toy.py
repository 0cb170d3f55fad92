"""`selfcorrect toy NAME|all`: run published loops at toy scale and write the gallery."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any

import torch
import tyro
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
    "crossfeed": _preset(
        "Models that feed each other", "after Alemohammad et al. 2024", crossfeed, crossfeed.Crossfeed
    ),
}


@dataclass(frozen=True)
class ToyCommand:
    """Run published self-consuming loops at toy scale and compare them with their closed forms."""

    names: Annotated[tuple[str, ...], tyro.conf.Positional] = field(default=("all",))
    """Names of loops, or "all"; "list" prints what there is."""
    out: Path = Path("runs/toy")
    """Folder for gallery.html and results.json."""
    quick: bool = False
    """Small versions: seconds each, wider intervals."""
    seed: int | None = None
    """Another root seed than the presets' own."""
    text: Path | None = None
    """A plain-text file for the language loop, instead of the standard library's documentation."""
    mnist: Path | None = None
    """A folder with MNIST's idx files for the digits loop, instead of scikit-learn's bundled 8×8 digits."""

    def run(self) -> None:
        """Run the chosen loops, print one line each, and write the gallery."""
        if self.names == ("list",):
            print("\n".join(f"{name:18} {preset.title} ({preset.source})" for name, preset in PRESETS.items()))
            return
        torch.set_num_threads(1)  # these tensors are too small to share among threads
        chosen = self.chosen()
        exhibits = []
        for name in (bar := tqdm(chosen, unit="loop", disable=None)):
            bar.set_description(name)
            exhibits.append(self._exhibit(name))
            bar.write(_summary(exhibits[-1]))
        print(f"Gallery: {write_gallery(exhibits, self.out)}")

    def chosen(self) -> list[str]:
        """The presets to run, in the table's order; raises ValueError for a name that is not there."""
        unknown = [name for name in self.names if name not in (*PRESETS, "all")]
        if unknown or not self.names:
            asked = ", ".join(map(repr, unknown)) or "nothing"
            raise SettingError(f"unknown toy loop {asked}; known are all, {', '.join(PRESETS)}")
        return [name for name in PRESETS if "all" in self.names or name in self.names]

    def settings(self, name: str) -> Any:
        """The preset's settings with the options of the command line that they have."""
        settings = PRESETS[name].quick if self.quick else PRESETS[name].full
        known = {one.name for one in fields(settings)}
        given = {"seed": self.seed, "text": self.text, "mnist": self.mnist}
        return replace(settings, **{key: value for key, value in given.items() if value is not None and key in known})

    def _exhibit(self, name: str) -> Exhibit:
        preset, settings, start = PRESETS[name], self.settings(name), time.perf_counter()
        result = preset.run(settings)
        return Exhibit(name, preset.title, preset.source, settings, result, time.perf_counter() - start)


def _summary(exhibit: Exhibit) -> str:
    held = sum(check.outcome == "holds" for check in exhibit.result.checks)
    failed = [check.statement for check in exhibit.result.checks if check.outcome == "fails"]
    tail = f"; fails: {'; '.join(failed)}" if failed else ""
    return f"{exhibit.name}: {held} of {len(exhibit.result.checks)} statements hold, {exhibit.seconds:.1f} s{tail}"


def main() -> None:
    """Entry point of `python -m selfcorrect.experiments.toy.command`."""
    tyro.cli(ToyCommand).run()


if __name__ == "__main__":
    main()
