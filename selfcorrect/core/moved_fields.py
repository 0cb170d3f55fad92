"""Facts of a record that users still read by their former names."""

import warnings
from collections.abc import Mapping


def read_moved_field(record: object, name: str, places: Mapping[str, str]) -> object:
    """Return a moved fact of a record, with a warning; for the record's `__getattr__`.

    Args:
        record: The record, whose facts are in groups.
        name: Former name of the fact.
        places: Where each moved fact is, as "group.fact", by its former name.

    Raises:
        AttributeError: The record never had such a fact.
    """
    kind = type(record).__name__
    if name not in places:
        raise AttributeError(f"{kind!r} object has no attribute {name!r}", name=name, obj=record)
    group, fact = places[name].split(".")
    warnings.warn(f"{kind}.{name} is deprecated; use {kind}.{group}.{fact}", DeprecationWarning, stacklevel=3)
    return getattr(getattr(record, group), fact)
