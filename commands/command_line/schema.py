"""Make JSON schemas of YAML experiments from the options of commands, for editors."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from tyro.conf import Positional, Suppress

from selfcorrect.core.field_docs import read_field_docs

_TYPES: dict[Any, dict[str, Any]] = {
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    str: {"type": ["string", "number", "boolean"]},  # YAML reads some words as numbers or booleans
    Path: {"type": "string"},
    NoneType: {"type": "null"},
}


@dataclass(frozen=True)
class PrintSchema:
    """Print the JSON schema of a command's YAML files."""

    kind: type

    def run(self) -> int:
        """Print the schema, and return 0."""
        schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_describe_options(self.kind)}
        print(json.dumps(schema, indent=1, ensure_ascii=False))
        return 0


def _describe_options(kind: type) -> dict[str, Any]:
    """Return the schema of a dataclass of options, with the options of groups on the same level."""
    hints = get_type_hints(kind, include_extras=True)
    texts = read_field_docs(kind)
    properties: dict[str, Any] = {}
    for option in fields(kind):
        hint = hints[option.name]
        if not {Suppress, Positional}.isdisjoint(getattr(hint, "__metadata__", ())):
            continue
        hint = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if is_dataclass(hint) and isinstance(hint, type):
            properties |= _describe_options(hint)["properties"]
            continue
        described = _describe_hint(hint)
        if text := " ".join(texts.get(option.name, "").split()):
            described = {**described, "description": text}
        for name in dict.fromkeys((option.name, option.name.replace("_", "-"))):
            properties[name] = described
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _describe_hint(hint: Any) -> dict[str, Any]:
    """Return the schema of a type's values, which allows any value if the type has no counterpart in YAML."""
    origin = get_origin(hint)
    parts = get_args(hint)
    if hint in _TYPES:
        return _TYPES[hint]
    if origin is Annotated:
        return _describe_hint(parts[0])
    if origin is Literal:
        return {"enum": list(parts)}
    if origin in (Union, UnionType):
        return {"anyOf": [_describe_hint(part) for part in parts]}
    if origin is tuple and parts[1:] == (...,):
        item = _describe_hint(parts[0])
        return {"anyOf": [item, {"type": "array", "items": item}]}
    if origin is tuple:
        items = [_describe_hint(part) for part in parts]
        return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _describe_hint(parts[1])}
    if is_dataclass(hint) and isinstance(hint, type):
        return _describe_options(hint)
    return {}
