"""Meanings of fields in docstrings."""

from dataclasses import dataclass

import selfcorrect as sc
from selfcorrect.core.field_docs import add_field_docs


@dataclass
class _Stance:
    """A foot on the floor."""

    start_s: float
    """Time at which it is put down,
    seconds."""
    bare: int = 0


def test_docstrings_have_each_field_once():
    add_field_docs(_Stance)
    add_field_docs(_Stance)
    assert (_Stance.__doc__ or "").splitlines() == [
        "A foot on the floor.", "", "Attributes:", "    start_s: Time at which it is put down,", "        seconds.",
    ]  # fmt: skip


def test_public_dataclasses_show_their_fields():
    assert "    keep_level: " in (sc.CorrectionOptions.__doc__ or "")
    assert "    rotations: (T, J, 4)" in (sc.Motion.__doc__ or "")
    assert "    seeds: Number" in (sc.ComparisonOptions.__doc__ or "")  # a field of the base class
