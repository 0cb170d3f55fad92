"""Descriptions of dataclass fields, added to the docstring of the class.

`help` then shows the text that the source has below each field.
"""

import ast
import inspect
import textwrap
from contextlib import suppress
from dataclasses import is_dataclass


def add_field_docs(kind: type) -> None:
    """Append a section "Attributes" with the texts below fields.

    Classes without such texts, without source, or with this section already, are left unchanged.
    """
    if not is_dataclass(kind) or "Attributes:" in (kind.__doc__ or ""):
        return
    if texts := read_field_docs(kind):
        lines = [f"    {name}: {textwrap.indent(text, ' ' * 8).lstrip()}" for name, text in texts.items()]
        kind.__doc__ = "\n".join([inspect.cleandoc(kind.__doc__ or ""), "", "Attributes:", *lines])


def read_field_docs(kind: type) -> dict[str, str]:
    """Return the texts below fields, by name and including base classes.

    Returns an empty dict if the source is not available.
    """
    texts = {}
    for base in (base for base in reversed(kind.__mro__) if hasattr(base, "__dataclass_fields__")):
        texts |= _read_own_field_docs(base)
    return texts


def _read_own_field_docs(kind: type) -> dict[str, str]:
    source = ""
    with suppress(OSError, TypeError):
        source = inspect.getsource(kind)
    if not source:
        return {}
    (definition,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(definition, ast.ClassDef)
    texts = {}
    for field, below in zip(definition.body, definition.body[1:], strict=False):
        match field, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                texts[name] = inspect.cleandoc(text)
    return texts
