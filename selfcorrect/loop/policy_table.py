"""Data policies by name, without importing them."""

from dataclasses import dataclass

from ..runtime.registry import Registry, Row


@dataclass(frozen=True)
class PolicyRow(Row):
    """A policy in the table."""

    form: str = "its name, and the numbers that its class takes, separated by colons"
    """Form of the policy as text."""


def _row(name: str, class_name: str, summary: str, form: str) -> PolicyRow:
    return PolicyRow(name, f"selfcorrect.loop.policy:{class_name}", summary, form=form)


POLICIES = Registry(
    "policy",
    [
        _row("real", "RealOnly", "Only real data, in every generation.", "real or real:DRAWN"),
        _row("replace", "Replace", "Only synthetic samples: a fully synthetic loop.", "replace or replace:SIZE"),
        _row(
            "freeze",
            "Freeze",
            "The synthetic samples of generation 1, also in every later generation.",
            "freeze or freeze:SIZE",
        ),
        _row(
            "union",
            "Union",
            "The synthetic samples of all generations so far, or of the last ones, without real data.",
            "union or union:LAST or union:LAST:SIZE",
        ),
        _row(
            "renew",
            "Renew",
            "Only synthetic samples; each generation replaces a share of them, the oldest first.",
            "renew:SHARE",
        ),
        _row("augment", "Augment", "All real data and λ fresh synthetic samples per real sample.", "augment:RATIO"),
        _row(
            "augment_once",
            "AugmentOnce",
            "All real data and λ synthetic samples per real sample, always those of generation 1.",
            "augment_once:RATIO",
        ),
        _row(
            "accumulate",
            "Accumulate",
            "All real data and the synthetic samples of all generations so far.",
            "accumulate or accumulate:RATIO",
        ),
        _row(
            "accumulate_subsample",
            "AccumulateSubsample",
            "As accumulate, but draws a fixed number of samples.",
            "accumulate_subsample:BUDGET or accumulate_subsample:BUDGET:RATIO",
        ),
        _row("fresh", "Fresh", "New real data in every generation, and synthetic samples.", "fresh:COUNT:RATIO"),
        _row("keep", "Keep", "A share of the original data; synthetic samples replace the rest.", "keep:FRACTION"),
    ],
    group="selfcorrect.policies",
    row_type=PolicyRow,
    also="FILE.py:Class",
)


def split_policy(text: str) -> tuple[str, list[str]]:
    """Split a policy's text into its name and numbers.

    The name may be FILE.py:Class or package.module:Class.

    Raises:
        SettingError: There is no policy with this name.
    """
    name, *words = text.strip().split(":")
    if words and ("." in name or "/" in name):
        return f"{name}:{words[0]}", words[1:]
    POLICIES.row(name)
    return name, words
