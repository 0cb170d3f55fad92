"""A griffe extension: the fields of a dataclass or a TypedDict become one table, from the strings under them."""

from __future__ import annotations

from typing import Any

import griffe


class FieldTables(griffe.Extension):
    """Shows name, type, meaning and default of the fields where the docstring of their class ends."""

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        decorators, bases = [str(one.value) for one in cls.decorators], [str(base) for base in cls.bases]
        if not any(one.startswith("dataclass") for one in decorators) and "TypedDict" not in bases:
            return
        known = [one for one in cls.attributes.values() if one.annotation and "property" not in one.labels]
        fields = [one for one in known if not one.is_private]
        if not any(field.docstring for field in fields):
            return  # the signature has names, types and defaults
        rows = [
            griffe.DocstringParameter(
                field.name,
                annotation=field.annotation,
                description=field.docstring.value if field.docstring else "",
                value=_default(field),
            )
            for field in fields
        ]
        cls.docstring = cls.docstring or griffe.Docstring("", parent=cls)
        cls.docstring.parsed.append(griffe.DocstringSectionParameters(rows, title="Fields:"))
        for field in fields:
            field.docstring = None  # the table has it


def _default(field: griffe.Attribute) -> str | None:
    """What a field is without being given; None for what must be given."""
    value = None if field.value is None else str(field.value)
    if value is None or not value.startswith("field("):
        return value
    return None if "default" not in value else value.removeprefix("field(").removesuffix(")").split("=", 1)[1]
