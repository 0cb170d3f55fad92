"""Options, tooltips and the page come from one table."""

from pathlib import Path

import pytest

from .loading import EXTENSION, load

options = load("options")
PAGE = EXTENSION.parent / "docs" / "blender.md"


def read_table(page: Path) -> str:
    return page.read_text(encoding="utf-8").partition("<!-- options -->\n")[2].partition("\n<!-- /options -->")[0]


def test_page_shows_the_table() -> None:
    """`python docs/tools/blender_page.py` writes it."""
    assert read_table(PAGE) == options.format_table()


def test_settings_come_back_from_a_record() -> None:
    settings = options.Settings.from_record({"strength": "physical", "floor": 2.0, "removed option": 1})
    assert options.Settings.from_record(settings.to_record()) == settings
    assert (settings.strength, settings.floor, settings.floor_mode) == ("physical", 2.0, "LEVEL")


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.name)
def test_defaults_are_choices(option: object) -> None:
    identifiers = [choice.identifier for choice in option.choices]
    assert len(set(identifiers)) == len(identifiers)
    assert not identifiers or option.default in identifiers
    assert option.tooltip[-1] != "."  # Blender adds it
