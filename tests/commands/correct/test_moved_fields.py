"""Facts that are in groups now are still read by their former names, and stand on one level in records."""

import copy
import pickle
from dataclasses import fields, is_dataclass
from typing import Any

import pytest
from made_motions import made_motion

from selfcorrect.commands.correct.file_result import FileFigures, FileResult, SimulationFigures
from selfcorrect.simulators.results.results import (
    Beliefs,
    CorrectedMotion,
    Forces,
    GroundContacts,
    LeftFaults,
    MotionChanges,
)

CORRECTION = CorrectedMotion(
    made_motion("walk", frames=5),
    forces=Forces({"simulated_share": 0.5}, None, is_simulation_dropped=True),
    contacts=GroundContacts(supports=()),
    beliefs=Beliefs(is_carried=True, loops_s=(1.5,), names=("takes",)),
    changes=MotionChanges(removed_glide_m_s=0.2, kept_stretches=((0, 3),), added_angular_speed_deg_s={"Hips": 3.0}),
    left=LeftFaults(missed_contacts=("left foot",)),
)
FORMER = {
    "residual": {"simulated_share": 0.5},
    "timeline": None,
    "is_simulation_dropped": True,
    "standing_feet": (),
    "supports": (),
    "is_carried": True,
    "loops_s": (1.5,),
    "large_moves": (),
    "removed_glide_m_s": 0.2,
    "kept_stretches": ((0, 3),),
    "added_angular_speed_deg_s": {"Hips": 3.0},
    "findings_left": (),
    "missed_contacts": ("left foot",),
}


@pytest.mark.parametrize(("name", "value"), FORMER.items())
def test_former_names_warn(name: str, value: Any) -> None:
    with pytest.warns(DeprecationWarning, match=f"CorrectedMotion.{name} "):
        assert getattr(CORRECTION, name) == value


def list_leaves(group: Any) -> list[str]:
    values = [(item.name, getattr(group, item.name)) for item in fields(group)]
    return [leaf for name, value in values for leaf in (list_leaves(value) if is_dataclass(value) else [name])]


def test_figures_keep_former_names() -> None:
    figures = FileFigures(simulation=SimulationFigures(mass_kg=61.5))
    with pytest.warns(DeprecationWarning, match="simulation.mass_kg"):
        assert figures.mass_kg == 61.5  # pyright: ignore[reportAttributeAccessIssue]


def test_unknown_names_are_no_attributes() -> None:
    for record in (CORRECTION, FileFigures()):
        with pytest.raises(AttributeError, match="unknown_m"):
            record.unknown_m  # noqa: B018  # pyright: ignore[reportAttributeAccessIssue]


def test_records_with_former_names_can_be_copied() -> None:
    figures = FileFigures(simulation=SimulationFigures(mass_kg=61.5))
    assert copy.deepcopy(figures) == pickle.loads(pickle.dumps(figures)) == figures
    assert pickle.loads(pickle.dumps(CORRECTION)).left == CORRECTION.left


def test_record_stands_on_one_level() -> None:
    """No two groups have a fact of the same name, so a record is read back as it was."""
    result = FileResult("a.bvh", "a.bvh", "accepted")
    leaves = list_leaves(result)
    assert len(set(leaves)) == len(leaves)
    assert list(result.to_values()) == leaves
