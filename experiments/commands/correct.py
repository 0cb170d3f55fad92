"""`selfcorrect correct`: motion files in, physically plausible motion files of the same kind out."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.extras import literal_type_from_choices

from selfcorrect.errors import SettingError
from selfcorrect.experiments.commands.inputs import must_be_readable, must_exist
from selfcorrect.experiments.where import Cluster, Where
from selfcorrect.simulators.engines.table import ENGINES
from selfcorrect.simulators.scene import PLAIN, Scene
from selfcorrect.simulators.settings.drive import UNAIDED, strength_of
from selfcorrect.simulators.settings.support import SupportChoice
from selfcorrect.simulators.settings.tracker import TrackerSettings

if TYPE_CHECKING:
    EngineName = str
else:
    EngineName = literal_type_from_choices(ENGINES.names)

MASS_KG = (1, 1000)
"""Bodies that the simulation can hold together."""


@dataclass(frozen=True)
class CorrectCommand:
    """Make motions physically plausible: feet on the floor, not in it, above it or sliding, and limbs without jitter.

    Takes motion files of every format that is read (`selfcorrect data formats`) and folders of them, and writes each as
    it came: same format, skeleton, names and frame rate; FBX as glTF; or shards, for motions by the million. Inputs are
    never changed. The same command again does what is missing. Exit code 0: all motions were corrected; 1: some were
    not; 2: bad arguments, or nothing could be read.
    """

    inputs: tyro.conf.Positional[tuple[str, ...]]
    """Motion files, and folders that are searched for them; or one set of shards, a folder or an address such as
    s3://bucket/folder (see `selfcorrect data shard`)."""
    out: Annotated[str, tyro.conf.arg(aliases=("-o",))] = "corrected"
    """Folder of the corrected motions, which keep their names, and their paths below an input folder; of shards also an
    address."""
    strength: str = "balanced"
    """From 0, closest to the motion, to 1, most physical; or faithful (0), balanced (0.7), physical (1); or
    unaided: muscles and contacts alone hold the body up, which takes longer and needs --engine mujoco."""
    kinematic: bool = False
    """Mend by kinematics alone and simulate nothing; strength then does not matter."""
    support: SupportChoice = "infer"
    """What carries the body: steps, rungs and seats where the motion shows them (infer), nothing but the floor (floor),
    or whatever it may be that holds it at its height, which then is left alone (off)."""
    engine: EngineName = "pybullet"
    """The simulator."""
    retime: bool = False
    """Play motions whose flights or walks are more than 15 % off gravity's pace at its pace: the same poses."""
    scene: Scene = PLAIN
    """Where, and with what body, the motion is followed."""
    raw: bool = False
    """Keep simulated states as they are: also where they gain nothing, and with all that is fast in them."""
    workers: int = 1
    """Motions that are corrected at the same time, each in a process of its own."""
    where: Annotated[Cluster, tyro.conf.arg(name="")] = field(default_factory=Cluster)
    quiet: Annotated[bool, tyro.conf.arg(aliases=("-q",))] = False
    """Print a line only for each motion that was not corrected, and the summary."""
    keep_failed: bool = False
    """Put motions that cannot be corrected into the output folder as they came."""
    video: bool = False
    """Film each motion before and after, side by side, as NAME.mp4 beside the output."""
    report: Path | None = None
    """The report, JSON; by default report.json in the output folder."""
    mass_kg: float | None = None
    """What every body weighs; otherwise what its shape does, with --body-model, or what is usual for its stature."""
    metres_per_unit: float | None = None
    """Length of the files' unit where they do not tell; without it, the usual unit nearest to a person's size."""
    fps: float | None = None
    """Frames per second of files that do not tell; without it, what is usual for their format."""
    up: Literal["y", "z"] | None = None
    """Vertical axis of the files' worlds where they do not tell; told from the body without."""
    body_model: Path | None = None
    """A SMPL, SMPL+H or SMPL-X file that gives AMASS files' shapes their bone lengths; an average body without."""
    allow_pickle: bool = False
    """Read a body model from a .pkl file, whose source you trust."""

    def run(self) -> int:
        """Correct, report, and return the exit code."""
        strength = None if self.kinematic else strength_of(self.strength)
        self._check()
        where = Where(self.workers, cluster=self.where)
        from selfcorrect.datasets.files.motion_file import Reading
        from selfcorrect.experiments.correction.batch import correct_and_tell
        from selfcorrect.experiments.correction.correct_file import Settings
        from selfcorrect.experiments.correction.correct_shards import ShardsTask, correct_shards_and_tell

        reading = Reading(self.metres_per_unit, self.fps, self.up, self.body_model, self.allow_pickle)
        settings = Settings(
            strength,
            self.mass_kg,
            self.keep_failed,
            self.video,
            reading,
            self.support,
            self.engine,
            self.raw,
            self.retime,
            self.strength == UNAIDED and not self.kinematic,
            self.scene,
        )
        if self._holds_shards():
            if self.report is not None:
                raise SettingError(f"{self.report}: of shards, tables in {self.out} tell what became of each motion")
            return correct_shards_and_tell(ShardsTask(self.inputs[0], self.out, settings), where)
        out = Path(self.out)
        report = self.report or out / "report.json"
        return correct_and_tell(list(map(Path, self.inputs)), out, settings, report, where, self.quiet)

    def _check(self) -> None:
        """What can be told of the options alone."""
        if self.mass_kg is not None and not MASS_KG[0] <= self.mass_kg <= MASS_KG[1]:
            raise SettingError(f"mass-kg must be from {MASS_KG[0]} to {MASS_KG[1]}, got {self.mass_kg}")
        if self.kinematic and not self.scene.is_plain:
            raise SettingError("a scene needs a simulation; leave out kinematic")
        if self.strength == UNAIDED:
            TrackerSettings.without_help(self.engine)
        files = [Path(name) for name in self.inputs if "://" not in name]
        must_exist((*files, self.body_model))
        if len(self.inputs) == 1:  # among several, the others go on
            must_be_readable(files)
        ENGINES.load(self.engine)  # where it is not installed, nothing begins

    def _holds_shards(self) -> bool:
        """Whether the inputs are a set of shards; SettingError where they are one and something else."""
        from selfcorrect.datasets.shards.manifest import MANIFEST, SHARD
        from selfcorrect.storage.places import LocalPlace, is_address

        sets = [
            name
            for name in self.inputs
            if is_address(name) or any(LocalPlace(Path(name)).names(each) for each in (MANIFEST, SHARD))
        ]
        if sets and len(self.inputs) > 1:
            raise SettingError(f"{sets[0]}: shards are corrected alone; put several sets together with data merge")
        if is_address(self.out) and not sets:
            raise SettingError(f"{self.out}: only shards are written to an address; make some with data shard")
        return bool(sets)
