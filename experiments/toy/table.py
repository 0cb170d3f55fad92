"""The toy loops by name, imported when they are run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from selfcorrect.core.errors import SettingError
from selfcorrect.core.extras import is_installed
from selfcorrect.runtime.registry import Registry, Row


@dataclass(frozen=True)
class ToyRow(Row):
    """A toy loop, with its title as summary.

    It leads to a module with `toy(settings)`, which declares the loop, and `QUICK`, settings for a quick look whose
    defaults are the full ones.
    """

    source: str = ""
    """The papers it is taken from."""


def _toy(group: str, name: str, title: str, source: str, needs: str = "") -> ToyRow:
    return ToyRow(name, f"selfcorrect.experiments.toy.{group}.{name.replace('-', '_')}", title, needs, source=source)


TOYS = Registry(
    "toy loop",
    [
        _toy("gaussian", "gaussian-correct", "A Gaussian, corrected towards the truth", "Gillman et al. 2024"),
        _toy(
            "gaussian",
            "gaussian-collapse",
            "A Gaussian under each data policy",
            "Shumailov et al. 2024; Alemohammad et al. 2024; Bertrand et al. 2024; Gerstgrasser et al. 2024",
        ),
        _toy("gaussian", "stability", "Where augmented loops are stable", "Bertrand et al. 2024; Gillman et al. 2024"),
        _toy("gaussian", "linear", "Linear regression on its own labels", "Gerstgrasser et al. 2024"),
        _toy("gaussian", "weighting", "The weight of fresh real data", "He, Xu and Cheng 2025"),
        _toy("gaussian", "dilution", "Artefacts are diluted", "this project"),
        _toy("gaussian", "biased-corrector", "Verifiers that are wrong or blind", "Yi et al. 2026; Qiao et al. 2026"),
        _toy("text", "curation", "Human curation", "Ferbach et al. 2024"),
        _toy("text", "pluralistic", "Curation by several raters", "Falahati et al. 2026 (arXiv 2605.07724)"),
        _toy("text", "cross-curation", "Curated models that feed each other", "Zhang et al. 2026 (arXiv 2605.29267)"),
        _toy("networks", "imperfect-verifier", "Wrong verifiers of a network", "Yi et al. 2026; Qiao et al. 2026"),
        _toy("networks", "density-ratio", "A discriminator as corrector", "arXiv 2606.19162"),
        _toy("gaussian", "mad", "Cherry-picked samples", "Alemohammad et al. 2024"),
        _toy("networks", "mixture", "A mixture of Gaussians", "Shumailov et al. 2024"),
        _toy(
            "gaussian",
            "provenance",
            "A detector of synthetic samples",
            "provenance filtering, after Alemohammad et al. 2024",
        ),
        _toy(
            "networks",
            "shapes",
            "Four kinds of models on planar data",
            "Shumailov et al. 2024; Bertrand et al. 2024; Gerstgrasser et al. 2024; Alemohammad et al. 2024",
        ),
        _toy("networks", "fairness", "Who pays for the shift", "Wyllie et al. 2024"),
        _toy(
            "text", "language", "Words and text", "Seddik et al. 2024; Shumailov et al. 2024; Gerstgrasser et al. 2024"
        ),
        _toy("networks", "digits", "Digits, corrected by k-means", "Gillman et al. 2024"),
        _toy("networks", "unet-digits", "A UNet of diffusers on digits", "after Gillman et al. 2024"),
        _toy("text", "small-gpt", "A GPT of transformers on text", "after Shumailov et al. 2024; Yi et al. 2026"),
        _toy(
            "networks", "lineages", "Why modes are lost", "after Wright 1931 and Fisher 1930; Alemohammad et al. 2025"
        ),
        _toy("networks", "remedies", "Remedies against the loss of modes", "the sources in the table of remedies"),
        _toy("networks", "mechanisms", "Where drift and bias matter", "this project"),
        _toy("text", "text-mechanisms", "Drift and bias on text", "this project"),
        _toy("gaussian", "crossfeed", "Models that feed each other", "after Alemohammad et al. 2024"),
        _toy("chemistry", "molecules", "Conformers of drugs", "after Gerstgrasser et al. 2024", needs="molecules"),
    ],
    row_type=ToyRow,
    also="all",
)


def chosen(names: Sequence[str]) -> list[str]:
    """The loops to run, in the table's order; SettingError for a name that is not there.

    All are those whose extra is installed.
    """
    if not names:
        raise SettingError(f"no toy loop is named, known are all, {', '.join(TOYS.names)}")
    wanted = {TOYS.row(name).name for name in names if name != "all"}
    return [row.name for row in TOYS if row.name in wanted or ("all" in names and _can_run(row))]


def left_out(names: Sequence[str]) -> list[str]:
    """A sentence for each loop that "all" leaves out because its extra is not installed."""
    absent = [row for row in TOYS if "all" in names and row.name not in chosen(names)]
    return [
        f"{row.name} is left out: it needs the extra `{row.needs}`: pip install 'selfcorrect[{row.needs}]'"
        for row in absent
    ]


def _can_run(row: ToyRow) -> bool:
    return not row.needs or is_installed(row.needs)
