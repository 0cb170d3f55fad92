"""Packages that only some need, and the one way to say that one is missing."""

from __future__ import annotations


class MissingExtraError(ImportError, ValueError):
    """A package of an optional extra is not installed."""

    def __init__(self, what: str, extra: str, error: ImportError) -> None:
        super().__init__(f"{what} needs the extra `{extra}` ({error}): pip install 'selfcorrect[{extra}]'")
