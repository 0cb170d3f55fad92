"""The parts of a run folder whose figures are in its report, so that parts that vanish later are missed.

The record has the digest of the summary's figures as well, so that the summary of another run is noticed.
"""

from pathlib import Path

from selfcorrect.core.errors import DamagedError
from selfcorrect.loop.store.origin import read_origin
from selfcorrect.loop.store.run_folder import PARTS_FILE, SUMMARY_FILE
from selfcorrect.storage.files.digests import read_with_digest, write_with_digest

from .measured_store import MEASURED_FILE
from .study import Study
from .summary import SUMMARY_ENTRY, digest_figures


def write_parts(study: Study, root: Path) -> None:
    """Record the last generation of each arm and seed, and the files of measurements."""
    parts: dict[str, str] = {}
    for run in study.runs(root):
        first = run.first()
        folders = {first.folder: first.latest}
        paths = [measure.path(run) for measure in study.measures if measure.when in ("first", "seed")]
        for arm in study.arms(run.task):
            paths += [measure.path(run, arm) for measure in study.measures if measure.when in ("arm", "generation")]
            if study.keep == "measured":
                paths.append(run.arm_folder(arm) / MEASURED_FILE)
            else:
                folders[run.arm_folder(arm)] = run.generations(arm).latest
        for folder, latest in folders.items():
            if latest >= 0:
                path = folder / f"generation-{latest:04d}"
                parts[path.relative_to(root).as_posix()] = read_origin(path)[1]
        parts |= {path.relative_to(root).as_posix(): "" for path in paths if path.exists()}
    write_with_digest(root / PARTS_FILE, {"parts": parts, SUMMARY_ENTRY: digest_figures(root / SUMMARY_FILE)})


def find_lost_parts(root: Path) -> list[str]:
    """Describe the parts that a report was made from and that are missing or other ones now.

    The list is empty for a run without a report, and for one of an older version.

    Raises:
        DamagedError: The record of the parts is damaged.
    """
    path = root / PARTS_FILE
    faults = []
    for name, digest in read_with_digest(path)["parts"].items() if path.exists() else ():
        part = root / name
        if not part.exists():
            faults.append(f"{part} is missing, and the report has its figures")
            continue
        try:
            if digest and read_origin(part)[1] != digest:
                faults.append(f"{part} changed after the report was written")
        except DamagedError as error:
            faults.append(str(error))
    return faults
