"""`selfcorrect correct`: correct motion files."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.files.formats import readable_suffixes
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.storage.files.limits import read_bytes, read_text
from selfcorrect.storage.files.locks import LOCK
from selfcorrect.storage.files.places import Place, is_address
from selfcorrect.storage.files.writing import is_stream, text_output, write_atomically

from ...jobs.runner_choice import RunnerChoice
from ...jobs.targets import check_replaceable, check_separate
from ..command_line.help_page import HelpPage
from ..command_line.inputs import READING_OPTIONS, must_be_readable, must_exist
from .options import CorrectionOptions

if TYPE_CHECKING:
    from .file_result import FileResult


@dataclass(frozen=True)
class CorrectCommand:
    """Correct motion files: feet that slide, sink or float, a floor at the wrong height, jitter.

    Each file is written with the format, skeleton, names and frame rate of its input; FBX becomes glTF without meshes
    (`selfcorrect data formats` lists all formats). Inputs never change. If you run the command again, it corrects only
    what is missing or changed. Pack millions of motions into sets first (`selfcorrect data shard`).

    Exit code 0: all motions are correct now. 1: some were not corrected, became worse in a figure, keep faults, or come
    from damaged files. 2: wrong arguments, or nothing could be read.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect correct walk.bvh": "Write corrected/walk.bvh, and print what was wrong and what changed.",
            "selfcorrect correct clips/ -o clean --keep-level": (
                "Correct a folder of clips, and leave the floor of each at its height."
            ),
        },
        common=("out", "strength", "keep_level", "kinematic", "quiet", "verbose", "json", "workers"),
        groups={
            "reading": READING_OPTIONS,
            "control": ("frames", "amount", "keep", "contacts", "contacts_out", "delta", "keep_failed"),
        },
    )

    inputs: tyro.conf.Positional[tuple[str, ...]]
    """Motion files, and folders of motion files; or the address of a set of motions, such as s3://bucket/folder
    (see `selfcorrect data shard`)."""
    out: Annotated[str, tyro.conf.arg(aliases=("-o",))] = "corrected"
    """Output folder. Files keep their names, and their paths below an input folder. Can be an address for a set of
    motions."""
    options: Annotated[CorrectionOptions, tyro.conf.arg(name="", help="")] = field(default_factory=CorrectionOptions)
    workers: int | None = None
    """Number of worker processes, and of threads for a motion without residual force (default: one per core, as far
    as memory allows and starting them saves time). Results do not depend on it."""
    runner: Annotated[RunnerChoice, tyro.conf.arg(name="", help="")] = field(default_factory=RunnerChoice)
    quiet: Annotated[bool, tyro.conf.arg(aliases=("-q",))] = False
    """Print only the summary, and a line for each motion that was not corrected."""
    verbose: Annotated[bool, tyro.conf.arg(aliases=("-v",))] = False
    """Also print all figures and assumptions of each motion, and the physics engine."""
    json: bool = False
    """Print the report as JSON instead of the table and the summary."""
    contacts_out: Path | None = None
    """Write the contacts of a single motion to this JSON file, which you may edit and pass to --contacts."""
    delta: Path | None = None
    """Write the correction of a single BVH file as an additive layer: a BVH file with channels to add to the
    input's."""

    def run(self) -> int:
        """Correct the inputs, report the results, and return the exit code."""
        os.environ.setdefault("MUJOCO_GL", "disable")  # nothing is drawn, and a search for a display takes 0.1 s
        self._check()
        from .batch import correct_into

        options = self.options.resolve_engine()
        if is_address(self.out) or any(map(is_address, self.inputs)):
            return self._correct_remote(options)
        out = Path(self.out)
        if out.suffix.lower() in readable_suffixes() and not out.exists():
            raise SettingError(f"{out}: expected a folder for -o; motions in it get the names of their inputs")
        self._check_outputs(out)
        results = correct_into(list(map(Path, self.inputs)), out, options, self.workers, self.runner)
        exit_code = self._print(results, out, options)
        if self.contacts_out is not None or self.delta is not None:
            self._write_beside(out)
        return exit_code

    def _correct_remote(self, options: CorrectionOptions) -> int:
        """Correct a set of motions at an address."""
        if len(self.inputs) != 1:
            raise SettingError(f"expected one set of motions at an address, got {len(self.inputs)}")
        (source,) = self.inputs
        from .correct_remote import correct_remote_set

        where = self.runner.to_where(self.workers)
        results = correct_remote_set(Place(source), Place(self.out), options, where)
        return self._print(results, self.out, options)

    def _print(self, results: "Sequence[FileResult]", out: Path | str, options: CorrectionOptions) -> int:
        """Print the results, and return the exit code."""
        from .batch_report import REPORT, find_exit_code, print_results

        if not self.json:
            return print_results(results, out, options, quiet=self.quiet, verbose=self.verbose)
        print(read_text(Path(out, REPORT)), end="")
        return find_exit_code(results)

    def _check_outputs(self, out: Path) -> None:
        """Raise SettingError if contacts or delta would overwrite each other, an input or another file."""
        outputs = {"contacts-out": self.contacts_out, "delta": self.delta}
        if not any(outputs.values()):
            return
        from .batch import make_tasks
        from .batch_report import REPORT

        (task,) = make_tasks([Path(self.inputs[0])], out)
        option_files = [path for path in (*self.options.reading.files, self.options.contacts) if path is not None]
        other_files = [task.target, task.record, out / REPORT, out / LOCK]
        check_separate(outputs, [task.source, *option_files], other_files)
        for path in filter(None, outputs.values()):
            if not is_stream(path):
                check_replaceable(path)

    def _write_beside(self, out: Path) -> None:
        """Write the contacts and the additive layer of a correction."""
        from selfcorrect.datasets.files.open import open_motion
        from selfcorrect.datasets.files.rigs.bvh import layer_between
        from selfcorrect.datasets.files.rigs.bvh_text import read_bvh_text
        from selfcorrect.simulators.planning.edited_contacts import Contacts

        from .batch import make_tasks
        from .file_result import FileResult

        (task,) = make_tasks([Path(self.inputs[0])], out)
        result = FileResult.load(task.record)
        if result is None or result.output not in ("corrected", "original"):
            for path in filter(None, (self.contacts_out, self.delta)):
                print(f"{path}: not written, because the motion was not corrected")
            return
        if self.contacts_out is not None:
            reading = replace(self.options.reading, floor=None, drop=False)  # the output's floor is at zero
            motion = open_motion(task.target, reading).motion
            _write_new(self.contacts_out, Contacts.from_motion(motion).text())
        if self.delta is not None:
            before, _ = read_bvh_text(task.source)
            after, _ = read_bvh_text(task.target)
            _write_new(self.delta, layer_between(before, after, str(task.source)))

    def _check(self) -> None:
        """Check inputs, options and the engine before the work begins."""
        if not self.inputs:
            raise SettingError("no input; name motion files or folders, as in `selfcorrect correct walk.bvh`")
        if self.json and is_address(self.out):
            raise SettingError(f"--json needs a folder as output, got the address {self.out}")
        files = [Path(name) for name in self.inputs if not is_address(name)]
        must_exist((*files, *self.options.reading.files, self.options.contacts))
        if len(self.inputs) == 1:  # of several, the readable ones are corrected
            must_be_readable(files)
        is_one_file = len(files) == 1 and not files[0].is_dir()
        if self.contacts_out is not None and not is_one_file:
            raise SettingError("--contacts-out needs a single motion file as input")
        if self.delta is not None and not (is_one_file and files[0].suffix.lower() == ".bvh"):
            raise SettingError("--delta needs a single BVH file as input")
        if not self.options.kinematic:  # raises if the engine is not installed
            ENGINES.load(self.options.resolve_engine().engine)


def _write_new(path: Path, text: str) -> None:
    """Write text to a new file.

    Raises SettingError if the file exists with other content, which the user may have edited.
    """
    if is_stream(path):
        with text_output(path) as file:
            file.write(text)
        return
    if not os.path.lexists(path):
        write_atomically(path, text, overwrite=False)
    elif read_bytes(path) != text.encode():
        raise SettingError(f"{path}: exists with other content, which you may have edited; choose another file")
    print(path)
