"""Measures react to artefacts of known size as docs/results/tables.md says, on real windows."""

from collections.abc import Mapping
from importlib import import_module

import pytest

Directions = Mapping[str, Mapping[str, str]]


@pytest.fixture(scope="module")
def artefacts():
    pytest.importorskip("torch")
    return import_module("known_artefacts")


@pytest.fixture(scope="module")
def found(artefacts) -> Directions:
    """Map artefacts to the directions in which measures moved, in one seed."""
    scores = artefacts.score_artefacts(seeds=1)
    return {
        artefact.name: {
            key: artefacts.find_direction(value, real)
            for key, value, real in zip(artefacts.KEYS, row, scores[0], strict=True)
        }
        for artefact, row in zip(artefacts.ARTEFACTS, scores, strict=True)
    }


def test_measures_see_artefacts(artefacts, found: Directions) -> None:
    for artefact in artefacts.ARTEFACTS:
        for key in ("energy_ankles", "fid_ground", "slide_m_s", "jerk_m_s3", "float_mm"):
            assert found[artefact.name][key] == artefact.find_direction(key), (artefact.name, key)


def test_kinematics_ignores_height(found: Directions) -> None:
    for name in ("sunk by 30 mm", "sunk by 100 mm", "raised by 100 mm", "heights off by 50 mm (SD over windows)"):
        assert found[name]["fid_kinematic"] == "stays"


def test_geometry_ignores_jitter(found: Directions) -> None:
    for name in ("root jitters by 5 mm", "joints jitter by 2.3°"):
        assert found[name]["fid_geometric"] == "stays"


def test_published_skate_depends_on_depth(found: Directions) -> None:
    assert found["sunk by 30 mm"]["skate_m_s"] == "rises"
    assert found["raised by 100 mm"]["skate_m_s"] == "falls"


def test_wrong_direction_is_bold(artefacts) -> None:
    scores = artefacts.np.ones((len(artefacts.ARTEFACTS), len(artefacts.KEYS)))
    rows = artefacts.make_artefact_table(scores).splitlines()[2:]
    assert "**" not in rows[0]
    assert rows[1].count("**") == 2 * 7
