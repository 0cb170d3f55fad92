"""Settings and their configs say the same."""

from __future__ import annotations

import json

import pytest

from selfcorrect.experiments.motion.presets import PRESETS, settings_of


@pytest.mark.parametrize("name", PRESETS)
def test_settings_come_back_from_the_config_that_a_run_keeps(name: str) -> None:
    kept = json.loads(json.dumps(PRESETS[name].config()))
    assert settings_of(kept) == PRESETS[name]
