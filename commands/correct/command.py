"""`selfcorrect correct`: correct motion files."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import tyro

from selfcorrect.core.errors import SettingError
from selfcorrect.datasets.files.formats import check_written_suffix
from selfcorrect.experiments.jobs.runner_choice import RunnerChoice
from selfcorrect.experiments.jobs.targets import check_output, check_replaceable, check_separate
from selfcorrect.simulators.settings.engine_table import ENGINES
from selfcorrect.storage.files.limits import read_bytes, read_text
from selfcorrect.storage.files.locks import LOCK
from selfcorrect.storage.files.writing import is_stream, text_output, write_atomically

from ..command_line.help_page import HelpPage
from ..command_line.inputs import (
    READING_OPTIONS,
    must_be_local,
    must_be_one_file,
    must_be_readable,
    must_exist,
    names_file,
)
from .options import CorrectionOptions, read_contacts

if TYPE_CHECKING:
    from .file_result import FileResult


@dataclass(frozen=True)
class CorrectCommand:
    """Correct motion files: feet that slide, sink or float, a floor at the wrong height, jitter.

    Each file is written with the format, skeleton, names and frame rate of its input; FBX becomes glTF without meshes
    (`selfcorrect data formats` lists all formats). Inputs never change. If you run the command again, it corrects only
    what is missing or changed. Pack millions of motions into sets first (`selfcorrect data shard`).

    Each written file is read again and checked. Exit code 0: all motions are correct now. 1: some were not corrected,
    became worse in a figure, keep faults of `check`, do not hold a contact, or come from damaged files. 2: wrong
    arguments, or nothing could be read.
    """

    HELP: ClassVar[HelpPage] = HelpPage(
        {
            "selfcorrect correct walk.bvh": "Write corrected/walk.bvh, and print what was wrong and what changed.",
            "selfcorrect correct clips/ -o clean --keep-level": (
                "Correct a folder of clips, and leave the floor of each at its height."
            ),
        },
        common=("out", "overwrite", "strength", "keep_level", "kinematic", "quiet", "verbose", "json", "workers"),
        groups={
            "reading": READING_OPTIONS,
            "control": ("frames", "amount", "keep", "contacts", "contacts_out", "delta", "keep_failed"),
        },
    )

    inputs: tyro.conf.Positional[tuple[str, ...]]
    """Motion files, and folders of motion files."""
    out: Annotated[str, tyro.conf.arg(aliases=("-o",))] = "corrected"
    """Output folder, in which files keep their names, and their paths below an input folder; or the output file, such
    as fixed.bvh, for a single input file."""
    overwrite: bool = False
    """Replace the output file if it exists. In an output folder, only results of earlier runs are replaced."""
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
    """Write the contacts of a single motion to this JSON file, which you may edit and pass to --contacts. Contacts that
    --contacts gave are written as they are."""
    delta: Path | None = None
    """Write the correction of a single BVH file as an additive layer: a BVH file with channels to add to the
    input's."""

    def run(self) -> int:
        """Correct the inputs, report the results, and return the exit code."""
        os.environ.setdefault("MUJOCO_GL", "disable")  # nothing is drawn, and a search for a display takes 0.1 s
        self._check()
        options = self.options.resolve_engine()
        out = Path(self.out)
        if names_file(out):
            return self._correct_to_file(out, options)
        return self._correct_into(out, options)

    def _correct_into(self, out: Path, options: CorrectionOptions) -> int:
        """Correct motion files into a folder."""
        from .batch import correct_into, make_tasks
        from .batch_report import REPORT

        if self.overwrite:
            raise SettingError(f"{out}: --overwrite is for an output file, such as -o fixed.bvh, but this is a folder")
        if self.contacts_out is not None or self.delta is not None:
            (task,) = make_tasks([Path(self.inputs[0])], out)
            self._check_extra_outputs(task.target, task.record, out / REPORT, out / LOCK)
        results = correct_into(list(map(Path, self.inputs)), out, options, self.workers, self.runner)
        exit_code = self._print(results, out, options)
        self._write_extra_outputs(out, results)
        return exit_code

    def _correct_to_file(self, target: Path, options: CorrectionOptions) -> int:
        """Correct a single file, without a record or a report in its folder."""
        from .batch import correct_to_file
        from .batch_report import find_exit_code, format_correction_report, print_results

        must_be_one_file(self.inputs, target)
        source = Path(self.inputs[0])
        check_written_suffix(source, target)
        check_output(target, self.overwrite, [source, *self._option_files])
        self._check_extra_outputs(target)
        result = correct_to_file(source, target, options, self.workers, self.runner, overwrite=self.overwrite)
        if self.json:
            print(*format_correction_report(asdict(options), [result.verdict], [result]), sep="", end="")
            exit_code = find_exit_code([result])
        else:
            written_to = str(target) if result.output else ""
            exit_code = print_results([result], written_to, options, quiet=self.quiet, verbose=self.verbose)
        self._write_extra_outputs(target.parent, [result])
        return exit_code

    def _print(self, results: "Sequence[FileResult]", out: Path, options: CorrectionOptions) -> int:
        """Print the results in a folder, and return the exit code."""
        from .batch_report import REPORT, find_exit_code, print_results

        if not self.json:
            folder = f"{str(out).rstrip('/')}/"
            return print_results(
                results, folder, options, report=f"{folder}{REPORT}", quiet=self.quiet, verbose=self.verbose
            )
        print(read_text(Path(out, REPORT)), end="")
        return find_exit_code(results)

    @property
    def _option_files(self) -> list[Path]:
        """Files that options name, which are read."""
        return [path for path in (*self.options.reading.files, self.options.contacts) if path is not None]

    def _check_extra_outputs(self, *other_outputs: Path) -> None:
        """Raise SettingError if contacts or delta would overwrite each other, an input or another output."""
        outputs = {"contacts-out": self.contacts_out, "delta": self.delta}
        if not any(outputs.values()):
            return
        check_separate(outputs, [Path(self.inputs[0]), *self._option_files], other_outputs)
        for path in filter(None, outputs.values()):
            if not is_stream(path):
                check_replaceable(path)

    def _write_extra_outputs(self, out: Path, results: "Sequence[FileResult]") -> None:
        """Write the contacts and the additive layer of a single correction if options ask for them."""
        if self.contacts_out is None and self.delta is None:
            return
        from selfcorrect.datasets.files.open import open_motion
        from selfcorrect.datasets.files.rigs.bvh import layer_between
        from selfcorrect.datasets.files.rigs.bvh_text import read_bvh_text
        from selfcorrect.simulators.planning.edited_contacts import Contacts

        (result,) = results
        source = Path(self.inputs[0])
        target = out / result.name
        if result.output not in ("corrected", "original"):
            for path in filter(None, (self.contacts_out, self.delta)):
                print(f"{path}: not written, because the motion was not corrected")
            return
        if self.contacts_out is not None:
            contacts = read_contacts(self.options.contacts)
            if contacts is None:
                reading = replace(self.options.reading, floor=None, drop=False)  # the output's floor is at zero
                contacts = Contacts.from_motion(open_motion(target, reading).motion)
            _write_new(self.contacts_out, contacts.text())
        if self.delta is not None:
            before, _ = read_bvh_text(source)
            after, _ = read_bvh_text(target)
            _write_new(self.delta, layer_between(before, after, str(source)))

    def _check(self) -> None:
        """Check inputs, options and the engine before the work begins."""
        if not self.inputs:
            raise SettingError("no input; name motion files or folders, as in `selfcorrect correct walk.bvh`")
        must_be_local((*self.inputs, self.out))
        files = [Path(name) for name in self.inputs]
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
