"""A griffe extension: the fields of a dataclass or a TypedDict become one table, from the strings under them."""

from __future__ import annotations

from typing import Any

import griffe


class FieldTables(griffe.Extension):
    """Shows name, type, meaning and default of the fields where the docstring of their class ends."""

    def on_class(self, *, cls: griffe.Class, **kwargs: Any) -> None:
        is_dataclass = any(str(decorator.value).startswith("dataclass") for decorator in cls.decorators)
        if not is_dataclass and "TypedDict" not in map(str, cls.bases):
            return
        fields = []
        for attribute in cls.attributes.values():
            if attribute.annotation and "property" not in attribute.labels and not attribute.is_private:
                fields.append(attribute)
        if not any(field.docstring for field in fields):
            return  # the signature has names, types and defaults
        rows = [
            griffe.DocstringParameter(
                field.name,
                annotation=field.annotation,
                description=field.docstring.value if field.docstring else "",
                value=_get_default(field),
            )
            for field in fields
        ]
        cls.docstring = cls.docstring or griffe.Docstring("", parent=cls)
        cls.docstring.parsed.append(griffe.DocstringSectionParameters(rows, title="Fields:"))
        for field in fields:
            field.docstring = None  # the table has it


def _get_default(field: griffe.Attribute) -> str | None:
    """Return the default of a field; None if it has none."""
    value = None if field.value is None else str(field.value)
    if value is None or not value.startswith("field("):
        return value
    return None if "default" not in value else value.removeprefix("field(").removesuffix(")").split("=", 1)[1]
