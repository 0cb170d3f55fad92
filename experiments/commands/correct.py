"""`selfcorrect correct`: motion files in, physically plausible motion files of the same kind out."""

import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from selfcorrect.core.errors import SettingError
from selfcorrect.core.extras import requires_extra
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.runtime.processes import default_workers
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.storage.files.locks import LOCK
from selfcorrect.storage.files.places import is_address

from ..correction.options import CorrectionOptions
from ..jobs.targets import check_replaceable, check_separate
from ..jobs.where import Cluster, Where
from .inputs import must_be_readable, must_exist


@dataclass(frozen=True)
class CorrectCommand:
    """Make motions physically plausible: feet on the floor, not in it, above it or sliding, and limbs without jitter.

    Takes motion files of every format that is read (`selfcorrect data formats`) and folders of them. Writes each with
    the same format, skeleton, names and frame rate; FBX as glTF. Sets of motions, for motions by the million, are files
    as well. Inputs are never changed. The same command again does what is missing. Exit code 0: all motions were
    corrected; 1: some were not; 2: bad arguments, or nothing could be read.
    """

    inputs: tyro.conf.Positional[tuple[str, ...]]
    """Motion files, and folders that are searched for them; or one address of a set of motions, such as
    s3://bucket/folder (see `selfcorrect data shard`)."""
    out: Annotated[str, tyro.conf.arg(aliases=("-o",))] = "corrected"
    """Folder of the corrected motions, which keep their names, and their paths below an input folder; of a set of
    motions also an address."""
    options: Annotated[CorrectionOptions, tyro.conf.arg(name="")] = field(default_factory=CorrectionOptions)
    workers: int | None = None
    """Processes that share the motions, and threads for one of them without residual force; by default one per core, as
    far as memory allows. Results do not depend on their number."""
    where: Annotated[Cluster, tyro.conf.arg(name="")] = field(default_factory=Cluster)
    quiet: Annotated[bool, tyro.conf.arg(aliases=("-q",))] = False
    """Print a line only for each motion that was not corrected, and the summary."""
    contacts_out: Path | None = None
    """Write the contacts of the one corrected motion here, as JSON that you may edit and give back with --contacts."""
    delta: Path | None = None
    """Write the correction of the one BVH file here, as a BVH file whose channels are to be added to the input's: an
    additive layer."""
    report: Path | None = None
    """The report, JSON; by default report.json in the output folder."""

    def run(self) -> int:
        """Correct, report, and return the exit code."""
        os.environ.setdefault("MUJOCO_GL", "disable")  # nothing is drawn; to look for a display takes 0.1 s
        self._check()
        where = Where(self.workers if self.workers is not None else default_workers(), cluster=self.where)
        from ..correction.batch import run_correction_command
        from ..correction.report import REPORT

        options = self.options.resolve_engine()
        if is_address(self.out) or any(map(is_address, self.inputs)):
            return self._correct_remote(options, where)
        out = Path(self.out)
        report = self.report or out / REPORT
        self._check_outputs(out, report)
        result = run_correction_command(list(map(Path, self.inputs)), out, options, report, where, self.quiet)
        if self.contacts_out is not None or self.delta is not None:
            self._write_beside(out)
        return result

    def _correct_remote(self, options: CorrectionOptions, where: Where) -> int:
        """Correct a set of motions where it or the output is at an address."""
        if len(self.inputs) > 1:
            raise SettingError(f"{self.inputs[0]}: sets at addresses are corrected one by one; name one of them")
        if self.report is not None:
            raise SettingError(f"{self.report}: of a set at an address, the report is {self.out}/report.json")
        from ..correction.batch import print_results
        from ..correction.correct_remote import RemoteTask, correct_remote_set
        from ..correction.report import REPORT

        results = correct_remote_set(RemoteTask(next(iter(self.inputs)), self.out, options), where)
        return print_results(results, self.out, options, f"{self.out}/{REPORT}", quiet=self.quiet)

    def _check_outputs(self, out: Path, report: Path) -> None:
        """SettingError where contacts and delta meet each other, an input, or another file of this command."""
        outputs = {"contacts-out": self.contacts_out, "delta": self.delta}
        if not any(outputs.values()):
            return
        from ..correction.batch import make_tasks

        (task,) = make_tasks([Path(self.inputs[0])], out)
        named = [path for path in (*self.options.reading.files, self.options.contacts) if path is not None]
        check_separate(outputs, [task.source, *named], [task.target, task.video, task.record, report, out / LOCK])
        for path in filter(None, outputs.values()):
            check_replaceable(path)

    def _write_beside(self, out: Path) -> None:
        """Write the contacts that the corrected file shows, and the layer that makes it of its input."""
        from selfcorrect.datasets.files.rigs.bvh import layer_between
        from selfcorrect.datasets.files.rigs.bvh_text import read_bvh_text

        from ..correction.batch import make_tasks

        (task,) = make_tasks([Path(self.inputs[0])], out)
        writers: dict[Path, Callable[[], str]] = {}
        if self.contacts_out is not None:
            writers[self.contacts_out] = lambda: _contacts_text(task.target, self.options.reading)
        if self.delta is not None:
            writers[self.delta] = lambda: layer_between(
                read_bvh_text(task.source)[0], read_bvh_text(task.target)[0], str(task.source)
            )
        for path, text in writers.items():
            if task.target.exists():
                _write_new(path, text())
            else:
                print(f"{path}: not written, as the motion was not corrected")

    def _check(self) -> None:
        """Refuse inputs and engines that are not there, before the work begins."""
        files = [Path(name) for name in self.inputs if not is_address(name)]
        must_exist((*files, *self.options.reading.files, self.options.contacts))
        if len(self.inputs) == 1:  # among several, the others go on
            must_be_readable(files)
        alone = len(files) == 1 and not files[0].is_dir()
        if self.contacts_out is not None and not alone:
            raise SettingError("contacts-out is for one motion file")
        if self.delta is not None and not (alone and files[0].suffix.lower() == ".bvh"):
            raise SettingError("delta is for one BVH file")
        ENGINES.load(self.options.resolve_engine().engine)  # where it is not installed, nothing begins
        if self.options.video:
            with requires_extra("a film"):
                importlib.import_module("imageio")


def _contacts_text(path: Path, reading: Reading) -> str:
    """Return the contacts that a corrected file shows, as JSON."""
    from selfcorrect.datasets.files.open import open_motion
    from selfcorrect.simulators.foot_contacts import Contacts

    return Contacts.from_motion(open_motion(path, reading).motion).text()


def _write_new(path: Path, text: str) -> None:
    """Write a text into a new file; SettingError where another text is there, which may be edited."""
    from selfcorrect.storage.files.limits import read_bytes
    from selfcorrect.storage.files.writing import write_atomically

    if not os.path.lexists(path):
        write_atomically(path, text, overwrite=False)
    elif read_bytes(path) != text.encode():
        raise SettingError(f"{path}: exists with other content, which may be edited; choose another file")
    print(path)
