"""Settings of `selfcorrect check` that a project keeps in its pyproject.toml, under [tool.selfcorrect.check]."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.motion.checks.check import RuleChoice
from selfcorrect.storage.files.strict_json import read_as


def project_choice(folder: Path) -> RuleChoice:
    """What the nearest pyproject.toml in or above a folder says; every rule where none says anything."""
    for place in (folder.resolve(), *folder.resolve().parents):
        if (file := place / "pyproject.toml").is_file():
            return _choice(file)
    return RuleChoice()


def _choice(file: Path) -> RuleChoice:
    try:
        table: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no TOML, no UTF-8, a number of too many digits, nested too deep
        raise SettingError(f"{file}: expected TOML, but {error}") from error
    for name in ("tool", "selfcorrect", "check"):
        table = table.get(name, {})
        if not isinstance(table, dict):
            raise SettingError(f"{file}: expected a table [tool.selfcorrect.check], got {name} = {table!r}")
    try:
        return read_as(RuleChoice, table, f"{file}: [tool.selfcorrect.check]")
    except InputError as error:
        raise SettingError(str(error)) from error
    except SettingError as error:
        raise SettingError(f"{file}: {error}") from error
