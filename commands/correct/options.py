"""Options of a correction, shared by `selfcorrect correct`, the Python functions, reports and remote datasets.

The stages of a correction are imported only when a pipeline is made, because this takes 0.3 s and `correct --help`
takes 0.5 s without it.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

from selfcorrect.core.checks import check_choice, check_file_name, check_number, check_switch, describe_value
from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.motion.perception.frame_times import FrameTimes
from selfcorrect.runtime.registry import replace_options
from selfcorrect.simulators.settings.engine_table import AUTO, ENGINES, resolve_engine
from selfcorrect.simulators.settings.plan import SupportChoice
from selfcorrect.simulators.settings.tracker import (
    RESIDUAL_FREE,
    SIMULATED,
    FallbackChoice,
    SimulateChoice,
    TrackerSettings,
    normalize_strength,
)
from selfcorrect.simulators.stages.scene import PLAIN, Scene

if TYPE_CHECKING:
    from selfcorrect.simulators.clean import CleanupSettings
    from selfcorrect.simulators.pipeline import Pipeline
    from selfcorrect.simulators.planning.edited_contacts import Contacts

MASS_KG = (1, 1000)
"""Smallest and largest mass of a body for which the simulation is stable, in kg."""
PATH = "path"
"""Value of the option `keep` that keeps the body's path over the floor."""
_SWITCHES = ("kinematic", "keep_level", "level", "remove_drift", "join_takes", "retime", "raw", "verify", "keep_failed")
"""Options that are on or off."""
_FRAME = re.compile("[0-9]{1,9}")
"""Pattern of a frame number."""

LIMB_PARTS: Mapping[str, tuple[str, ...]] = {
    "arms": ("collar", "shoulder", "elbow", "wrist"),
    "hands": ("wrist",),
    "legs": ("hip", "knee", "ankle", "foot"),
    "feet": ("ankle", "foot"),
    "head": ("neck", "head"),
    "trunk": ("pelvis", "spine1", "spine2", "spine3"),
}
"""Body parts of each limb, without side."""


def _mark_nested(name: str | None = None) -> object:
    """Return tyro's mark for options in a nested dataclass. An empty name gives them no prefix."""
    import tyro

    return tyro.conf.arg(name=name, help="")


@dataclass(frozen=True)
class CorrectionOptions:
    """Options of a correction, whose result depends only on them and on the input."""

    strength: str | float = "balanced"
    """Strength of the correction: faithful (0) stays closest to the motion, physical (1) is the most plausible,
    balanced is 0.7; or a number from 0 to 1. residual-free: only muscles and contacts hold the body up, which takes
    longer and needs MuJoCo. simulated: raw simulated states on a known floor, as loops use for a model's samples."""
    fallback: FallbackChoice = "none"
    """What to do if the body falls without residual force. none: reject the motion. balanced: hold the body up by
    the smallest residual force that suffices, and list in the report when and how much."""
    simulate: SimulateChoice = "auto"
    """Which motions to simulate. auto: those that would otherwise need a residual force. always: all."""
    kinematic: bool = False
    """Clean up by kinematics only, without simulation. --strength then has no effect."""
    support: SupportChoice = "infer"
    """What may carry the body. infer: the floor, and steps, rungs and seats that the motion shows. floor: the floor
    alone. off: unknown, so the body keeps its height."""
    engine: str = AUTO
    """Physics engine: auto, mujoco, pybullet, or an engine of another package. auto: MuJoCo, which is faster; but
    PyBullet, if installed, when all motions return simulated states (--simulate always, --raw, a scene), because
    engines differ in these."""
    mass_kg: float | None = None
    """Mass of every body in kg (default: from the shape if there is a body model, otherwise the average for the
    stature)."""
    keep_level: bool = False
    """Keep the floor at its height. By default, each motion is moved so that its floor is at zero, even if nothing
    else is wrong."""
    level: bool = False
    """Level a floor that is tilted or rises steadily, as with a tilted camera. By default, such a floor stays."""
    remove_drift: bool = False
    """Remove root drift. This changes the path: motions that were recorded on a treadmill start to travel."""
    join_takes: bool = False
    """Join takes: after a cut, continue from where the take before was going."""
    frame_times: FrameTimes = "auto"
    """How to treat duplicated or interpolated frames. keep: they stay duplicated or interpolated. even: in-between
    frames replace them, evenly spaced in time, as auto does. Pass keep for animation on twos."""
    without: tuple[str, ...] = ()
    """Special cases not to consider, such as repeated-frames or supports: a hypothesis by its name."""
    retime: bool = False
    """Change the speed of a motion whose flights or steps are over 15 % faster or slower than gravity allows. The
    poses stay."""
    scene: Annotated[Scene, _mark_nested()] = PLAIN
    """Scene and body of the simulation: a push, a slope, a load."""
    raw: bool = False
    """Return the simulated states without post-processing, even if the simulation improves nothing."""
    verify: bool = True
    """Read the written file again, compare its joints with the result, and run the rules of `check` on it and on the
    input. --no-verify saves this time for those who correct millions of clips; the report then lists no findings."""
    keep_failed: bool = False
    """Copy motions that cannot be corrected to the output folder as they are."""
    contacts: Path | None = None
    """JSON file that says when each foot touches the ground, as --contacts-out writes it. You may edit the file. Other
    contacts are not inferred."""
    frames: str = ""
    """Frames to correct, as FIRST:LAST, such as 40:120. The correction blends in and out within them."""
    amount: tuple[str, ...] = ()
    """How much of the correction to apply: legs=0.5 for a limb (arms, hands, legs, feet, head, trunk), 30=0 60=1
    for keyframes, legs@30=0 legs@60=1 for keyframes of a limb."""
    keep: tuple[str, ...] = ()
    """Joints that keep their positions within 2 mm: hands, feet, head, or a joint's name in the file. The limb
    follows, and the body moves if the limb is too short. path: keep the path over the floor, as on a walkway or a
    board."""
    reading: Annotated[Reading, _mark_nested(name="")] = field(default_factory=Reading)
    """What motion files do not state."""

    def __post_init__(self) -> None:
        for name in _SWITCHES:
            check_switch(name, getattr(self, name))
        self._check_kinds()
        object.__setattr__(self, "strength", normalize_strength(self.strength))  # one value, one meaning
        if self.mass_kg is not None:
            check_number("mass-kg", self.mass_kg, *MASS_KG)
        if self.kinematic and not self.scene.is_plain:
            raise SettingError("a scene needs a simulation; leave out kinematic")
        if self.reading.ground is not None and not self.scene.is_plain:
            raise SettingError("a scene has its own floor; leave out ground")
        if self.strength == SIMULATED:
            self.refuse(
                ("support", "keep_level", "level", "remove_drift", "join_takes", "without"),
                "cannot be used with strength simulated, whose floor is known",
            )
        if self.level:
            turned = "cannot be used with level, which rotates the whole motion"
            self.refuse(("contacts", "frames", "amount", "keep"), turned)
            if self.reading.ground is not None or self.reading.floor is not None:
                raise SettingError("level estimates the floor; leave out floor and ground")
        if self.strength == SIMULATED and PATH in self.keep:
            raise SettingError("keep path has no effect with strength simulated; leave it out")
        if self.remove_drift and self.keeps_path:
            raise SettingError("remove_drift changes the path; leave out keep path and keep feet")
        if self.fallback != "none" and not self.is_residual_free:
            raise SettingError(f"fallback {self.fallback} needs strength {RESIDUAL_FREE}, got {self.strength}")
        if self.frames or self.amount:
            parse_span(self.frames)
            parse_amounts(self.amount)
        if self.is_residual_free and self.engine != AUTO:
            TrackerSettings.without_residual(self.engine)  # checks that the engine can do it

    def _check_kinds(self) -> None:
        """Raise SettingError for a value of the wrong type, such as a string instead of a list of strings."""
        kinds = {
            "fallback": FallbackChoice,
            "simulate": SimulateChoice,
            "support": SupportChoice,
            "frame_times": FrameTimes,
        }
        for name, choices in kinds.items():
            check_choice(name, getattr(self, name), get_args(choices))
        if not isinstance(self.engine, str):
            raise SettingError(f"engine must be a name, got {describe_value(self.engine)}")
        if self.engine != AUTO:
            ENGINES.row(self.engine)  # raises SettingError for an unknown name
        for name, kind in (("frames", str), ("reading", Reading), ("scene", Scene)):
            value = getattr(self, name)
            if not isinstance(value, kind):
                expected = "a string such as '40:120'" if kind is str else f"a {kind.__name__}"
                raise SettingError(f"{name} must be {expected}, got {describe_value(value)}")
        for name, example in (("amount", "legs=0.5"), ("keep", "hands"), ("without", "supports")):
            value = getattr(self, name)
            if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
                raise SettingError(
                    f"{name} must be a list of strings such as [{example!r}], got {describe_value(value)}"
                )
            object.__setattr__(self, name, tuple(value))
        if self.without:
            from selfcorrect.simulators.hypotheses.table import HYPOTHESES

            for name in self.without:
                HYPOTHESES.row(name)  # raises SettingError for an unknown name
        if self.contacts is not None and not hasattr(self.contacts, "of_part"):
            object.__setattr__(
                self, "contacts", check_file_name("contacts, unless they are sc.Contacts,", self.contacts)
            )

    @property
    def keeps_path(self) -> bool:
        """True if the body's path over the floor is kept.

        This also holds if the feet are kept, because a changed path would tear them from the body.
        """
        return not {PATH, "feet"}.isdisjoint(self.keep)

    @property
    def is_residual_free(self) -> bool:
        """True if the body is simulated without a residual force that holds it up."""
        return self.strength == RESIDUAL_FREE and not self.kinematic

    def check_files(self) -> None:
        """Read the files that the options name, before any motion is read.

        Raises InputError if a file is missing or damaged.
        """
        from selfcorrect.datasets.files.open import check_option_files

        check_option_files(self.reading)
        read_contacts(self.contacts)

    def resolve_engine(self) -> CorrectionOptions:
        """Return the options with "auto" replaced by the name of an engine, which is imported.

        Kinematic options are returned unchanged, because they need no engine.
        """
        if self.kinematic:
            return self
        is_simulated = self.simulate == "always" or self.strength == SIMULATED or self.raw or not self.scene.is_plain
        prefers_published = is_simulated and not self.is_residual_free  # engines differ in simulated states
        return replace(self, engine=resolve_engine(self.engine, prefers_published=prefers_published))

    @property
    def pipeline(self) -> Pipeline:
        """Stages of the correction; imports the engine."""
        if self.kinematic:
            return self.kinematic_pipeline
        from selfcorrect.simulators.presets import find_preset

        preset = find_preset(self.strength, self.resolve_engine().engine, self.mass_kg, self.fallback)
        pipeline = replace(
            preset,
            cleanup=self._change_cleanup(preset.cleanup),
            simulate="always" if self.simulate == "always" else preset.simulate,
            postprocess=() if self.raw else preset.postprocess,
        )
        return pipeline.in_scene(self.scene)

    @property
    def kinematic_pipeline(self) -> Pipeline:
        """Stages of the correction without a simulation."""
        from selfcorrect.simulators.pipeline import Pipeline
        from selfcorrect.simulators.postprocess.steps import KINEMATIC_POSTPROCESS
        from selfcorrect.simulators.presets import FILES, find_preset

        preset = FILES if self.kinematic and self.strength == RESIDUAL_FREE else find_preset(self.strength)
        is_raw = self.raw or self.strength == SIMULATED
        postprocess = () if is_raw else KINEMATIC_POSTPROCESS
        return Pipeline(self._change_cleanup(preset.cleanup), postprocess=postprocess)

    def _change_cleanup(self, cleanup: CleanupSettings) -> CleanupSettings:
        """Apply these options to a preset's clean-up."""
        from selfcorrect.simulators.core.drift import StabilizeFloor
        from selfcorrect.simulators.core.levelling import LevelFloor
        from selfcorrect.simulators.hypotheses.splices import JoinSplices

        if self.strength == SIMULATED:
            return cleanup
        cleanup = replace(
            cleanup,
            support=self.support,
            keep_level=self.keep_level,
            level=self.level,
            frame_times=self.frame_times,
            without=self.without,
        )
        stabilize = StabilizeFloor(remove=self.remove_drift, keep_path=self.keeps_path)
        cleanup = cleanup.with_steps(stabilize, JoinSplices(join_takes=self.join_takes))
        return cleanup if self.reading.floor is None else cleanup.without_steps(LevelFloor)

    def with_changes(self, changes: Mapping[str, object]) -> CorrectionOptions:
        """Return the options with other values by name, or raise SettingError for an unknown name."""
        return replace_options(self, changes)

    def refuse(self, names: tuple[str, ...], because: str) -> None:
        """Refuse options that do not apply.

        Args:
            names: Options that must have their defaults.
            because: Rest of the message, which begins with the name of the option.

        Raises:
            SettingError: One of them differs from its default.
        """
        for name in names:
            if getattr(self, name) != getattr(DEFAULT_OPTIONS, name):
                raise SettingError(f"{name.replace('_', '-')} {because}")


DEFAULT_OPTIONS = CorrectionOptions()


def parse_span(frames: str) -> tuple[int, int] | None:
    """Parse the first and last frame to correct, or return None for all frames.

    Raises:
        SettingError: The text is invalid.
    """
    if not frames:
        return None
    first, _, last = frames.partition(":")
    are_numbers = _FRAME.fullmatch(first) and _FRAME.fullmatch(last)
    if not are_numbers or int(first) >= int(last):
        raise SettingError(f"frames must be FIRST:LAST with first < last, such as 40:120, got {describe_value(frames)}")
    return int(first), int(last)


def parse_amounts(amount: Sequence[str]) -> dict[str, list[tuple[int, float]]]:
    """Parse keyframes (frame, share) by limb, which is "" for the whole body.

    Raises:
        SettingError: A text is invalid.
    """
    amounts = defaultdict[str, list[tuple[int, float]]](list)
    for word in amount:
        place, _, number = word.partition("=")
        limb, _, frame = ("", "", place) if _FRAME.fullmatch(place) else place.partition("@")
        try:
            share = float(number)
        except ValueError:
            share = math.nan
        is_place = bool(place) and limb in ("", *LIMB_PARTS) and _FRAME.fullmatch(frame or "0")
        if not is_place or not 0 <= share <= 1:
            raise SettingError(
                "amount must be LIMB=SHARE, FRAME=SHARE or LIMB@FRAME=SHARE, with a share from 0 to 1 and a limb "
                f"among {', '.join(LIMB_PARTS)}; got {describe_value(word)}"
            )
        amounts[limb].append((int(frame or 0), share))
    return amounts


def read_contacts(contacts: str | Path | Contacts | None) -> Contacts | None:
    """Read the contacts that the options give, or return None if the correction should infer them.

    Raises:
        InputError: The file is damaged.
    """
    if not isinstance(contacts, str | Path):
        return contacts
    from selfcorrect.simulators.planning.edited_contacts import Contacts

    return Contacts.load(contacts)
