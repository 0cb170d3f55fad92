# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of the extension: one table for buttons, tooltips, command lines and the page.

This module does not need Blender.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

STEP_M = 0.25
"""Height of a step, in m. A floor within a step of the scene's zero is that of the scene; a higher one is a stage."""


@dataclass(frozen=True)
class Choice:
    """An item of an option that has several."""

    identifier: str
    title: str
    tooltip: str


@dataclass(frozen=True)
class Option:
    """An option of an operator."""

    name: str
    """Name of the operator's property, and field of `Settings`."""
    title: str
    tooltip: str
    default: Any = False
    choices: tuple[Choice, ...] = ()
    command: str = ""
    """The same option of the command line; "" if it has none."""
    is_length: bool = False


OPTIONS = (
    Option("kinematic", "Kinematic Only", "Clean up by kinematics and simulate nothing", command="--kinematic"),
    Option(
        "strength",
        "Strength",
        "How far physics may move the motion",
        "balanced",
        (
            Choice("faithful", "Faithful", "Closest to the motion"),
            Choice("balanced", "Balanced", "Between the motion and physics"),
            Choice("physical", "Physical", "Most physical"),
            Choice("residual-free", "Residual-free", "Muscles and contacts alone hold the body up; takes longer"),
        ),
        "--strength",
    ),
    Option(
        "support",
        "Support",
        "What holds the body up",
        "infer",
        (
            Choice("infer", "Inferred", "Steps, rungs and seats where the motion shows them"),
            Choice("floor", "Floor", "The floor alone"),
            Choice("off", "Unknown", "Something unknown; the body keeps its height"),
        ),
        "--support",
    ),
    Option("remove_drift", "Remove Drift", "Take out the drift of the floor", command="--remove-drift"),
    Option("level", "Level Floor", "Turn a motion whose floor is tilted, so that it stands level", command="--level"),
    Option("keep_hands", "Keep Hands", "Leave the hands where they are in the world", command="--keep hands"),
    Option("only_selected", "Selected Bones", "Change only the bones that are selected"),
    Option(
        "result",
        "Result",
        "Where the corrected motion is kept",
        "ACTION",
        (
            Choice("ACTION", "New Action", "A new action in place of the old one, which stays in the file"),
            Choice(
                "LAYER", "Additive Layer", "A layer over the untouched action; its Amount can be changed at any time"
            ),
        ),
    ),
    Option(
        "held_rigs",
        "Constrained Rigs",
        "What gets keys if constraints hold the bones",
        "CONTROLS",
        (
            Choice("CONTROLS", "Key the Controls", "Keys on the controls of the rig"),
            Choice("COPY", "Copy", "Keys on the bones of a copy without controls; the original is hidden"),
        ),
    ),
    Option(
        "use_contacts",
        "Use Edited Contacts",
        "Correct the same motion again with the same options; feet stand where footsteps and contact curves say",
        command="--contacts",
    ),
    Option(
        "extent",
        "Range",
        "Frames that may change",
        "ACTION",
        (
            Choice("ACTION", "Action", "All frames of the action, or of the scene if there is none"),
            Choice("SCENE", "Scene", "Frames of the scene, or of its preview range; the correction blends in and out"),
        ),
        "--frames",
    ),
    Option(
        "ground",
        "Ground",
        "Mesh, or collection of meshes, on which the body stands, as seen from above: stairs, a slope, terrain",
        "",
        command="--ground",
    ),
    Option(
        "floor_mode",
        "Floor",
        "Height to which standing feet come",
        "LEVEL",
        (
            Choice(
                "LEVEL",
                "Where It Stands",
                "Height 0, or the origin of the armature, if feet are within 25 cm of it; or else their own level",
            ),
            Choice("ZERO", "Zero", "Height 0 of the scene"),
            Choice("HEIGHT", "At Height", "The floor of the motion is at this height of the scene"),
        ),
        "--floor",
    ),
    Option("floor", "Height", "Height of the floor in the scene", 0.0, is_length=True),
)
PLACE = ("extent", "ground", "floor_mode", "floor")
"""Names of the options that `check` has, too."""


@dataclass(frozen=True)
class Settings:
    """Values of the options."""

    kinematic: bool
    strength: str
    support: str
    remove_drift: bool
    level: bool
    keep_hands: bool
    only_selected: bool
    result: str
    held_rigs: str
    use_contacts: bool
    extent: str
    ground: str
    floor_mode: str
    floor: float

    @classmethod
    def from_operator(cls, operator: object) -> Settings:
        """Take the values of an operator's properties, with defaults for those that it lacks."""
        return cls(**{option.name: getattr(operator, option.name, option.default) for option in OPTIONS})

    @classmethod
    def from_record(cls, values: Mapping[str, Any]) -> Settings:
        """Take the values of a record, with defaults for those that it lacks."""
        return cls(**{option.name: values.get(option.name, option.default) for option in OPTIONS})

    def to_record(self) -> dict[str, Any]:
        """Return the values as plain data."""
        return asdict(self)


assert [option.name for option in OPTIONS] == [field.name for field in fields(Settings)]


def format_table() -> str:
    """Return the options as a table of the page."""
    lines = ["| option | effect | command line |", "| --- | --- | --- |"]
    for option in OPTIONS:
        effects = [option.tooltip, *(f"*{choice.title}*: {choice.tooltip}" for choice in option.choices)]
        command = f"`{option.command}`" if option.command else ""
        lines.append(f"| {option.title} | {'<br>'.join(effects)} | {command} |")
    return "\n".join(lines)
