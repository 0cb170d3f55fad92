"""Settings of `selfcorrect check` that a project keeps in its pyproject.toml, under [tool.selfcorrect.check]."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfcorrect.core.errors import SettingError
from selfcorrect.motion.checks.check import Choice

_KEYS = ("select", "ignore", "thresholds")


def project_choice(folder: Path) -> Choice:
    """What the nearest pyproject.toml in or above a folder says; every rule where none says anything."""
    for place in (folder.resolve(), *folder.resolve().parents):
        if (file := place / "pyproject.toml").is_file():
            return _choice(file)
    return Choice()


def _choice(file: Path) -> Choice:
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8")).get("tool", {}).get("selfcorrect", {}).get("check", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{file}: expected TOML, but {error}") from error
    if unknown := set(table) - set(_KEYS):
        raise SettingError(
            f"{file}: [tool.selfcorrect.check] knows {', '.join(_KEYS)}, got {', '.join(sorted(unknown))}"
        )
    words = {key: tuple(_strings(file, key, table.get(key, []))) for key in ("select", "ignore")}
    try:
        return Choice(words["select"], words["ignore"], _numbers(file, table.get("thresholds", {})))
    except SettingError as error:
        raise SettingError(f"{file}: {error}") from error


def _strings(file: Path, key: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise SettingError(f"{file}: {key} must be a list of rules' codes or names, got {value!r}")
    return value


def _numbers(file: Path, value: Any) -> Mapping[str, float]:
    if not isinstance(value, dict) or not all(isinstance(number, int | float) for number in value.values()):
        raise SettingError(f"{file}: thresholds must be a table of numbers by rules' codes or names, got {value!r}")
    return value
