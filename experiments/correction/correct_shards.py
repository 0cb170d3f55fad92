"""Correct a set of shards into another: each shard is a separate job, and a ledger says which are done.

Beside the corrected shards there are, for each, a table of what became of every motion (`results/`), and one table of
all motions that were not corrected (`failures.parquet`).
"""

import hashlib
import importlib.metadata
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from selfcorrect.core.errors import InputError, SettingError
from selfcorrect.datasets.files.skeletons.reading import Reading
from selfcorrect.datasets.shards.manifest import SHARD, ShardFacts, opened, read_manifest, write_manifest
from selfcorrect.datasets.shards.schema import Entry, Shard, write_shard
from selfcorrect.motion.correction.results import CorrectedMotion
from selfcorrect.runtime.bugs import sentence_of
from selfcorrect.runtime.progress import Progress
from selfcorrect.storage.files.digests import digest_of_file
from selfcorrect.storage.files.places import LocalPlace, Place, place
from selfcorrect.storage.files.strict_json import as_json
from selfcorrect.storage.runs.ledger import all_recorded, claimed, record, recorded

from ..jobs.run import Job, require_runner, run_jobs
from ..jobs.where import Where
from .correct_file import correct_each
from .options import CorrectionOptions

RESULTS, FAILURES = "results", "failures.parquet"
_SHOWN = 20

_FAILURE = pa.schema([(name, pa.string()) for name in ("shard", "name", "source", "verdict", "reason")])
_RESULT = pa.schema(
    [
        *((name, pa.string()) for name in ("name", "source", "verdict", "reason")),
        ("frame", pa.int64()),
        ("notes", pa.list_(pa.string())),
        ("frames", pa.int64()),
        ("fps", pa.float64()),
        ("figures", pa.map_(pa.string(), pa.float64())),
    ]
)
"""frame: where a motion was rejected, if that is known; figures: `CorrectedMotion.diagnostics`."""


@dataclass(frozen=True)
class ShardsTask:
    """A set of shards to correct, where the corrected ones go, and how."""

    source: str
    out: str
    options: CorrectionOptions

    def __post_init__(self) -> None:
        if self.source == self.out:
            raise SettingError(f"{self.source}: shards would be overwritten by their corrections; choose another -o")
        self.options.refuse(("video", "retime", "contacts"), f"is for motion files, and {self.source} holds shards")
        if self.options.reading != Reading():
            raise SettingError(
                f"{self.source}: shards hold all that reading needs; leave out fps, up, units and body model"
            )

    def told(self) -> dict[str, object]:
        """All that the result depends on beside the shards' content."""
        return {"task": "correct", "source": self.source, "settings": as_json(asdict(self.options), str)}


def correct_shards_and_tell(task: ShardsTask, where: Where) -> int:
    """Correct what is not corrected yet, and report it in words.

    Returns 0 where all motions were corrected, 1 where some were not. InputError where shards could not be read, after
    the others are done.
    """
    counts, failures = correct_shards(task, where)
    for failure in failures[:_SHOWN]:
        print(f"{failure['name']}: {failure['verdict']}: {failure['reason']}")
    if len(failures) > _SHOWN:
        print(f"… and {len(failures) - _SHOWN} more")
    engine = "" if task.options.kinematic else f" (engine: {task.options.engine})"
    print(f"{counts['accepted']} of {counts.total()} motions corrected{engine} → {task.out}")
    if failures:
        print(f"not corrected ({len(failures)}): {task.out}/{FAILURES}")
    return 1 if failures else 0


def correct_shards(task: ShardsTask, where: Where) -> tuple[Counter[str], list[dict[str, str]]]:
    """Correct what is not corrected yet; how many motions have which verdict, and a row per motion without one."""
    require_runner(where)
    out, shards = place(task.out), read_manifest(place(task.source)).shards
    with claimed(out, task.told()):
        waiting = _waiting(out, shards)
        if len(waiting) < len(shards):
            print(f"{len(shards) - len(waiting)} of {len(shards)} shards are finished already")
        if waiting:
            longest_first = sorted(waiting, key=lambda shard: -shard.frames)
            jobs = [Job(shard.name, correct_shard, (task, shard), 1) for shard in longest_first]
            run_jobs(jobs, where, "correct", unit="shard", folder=out.folder if isinstance(out, LocalPlace) else None)
        return _finished(out, shards)


def _waiting(out: Place, shards: Sequence[ShardFacts]) -> list[ShardFacts]:
    records, there = recorded(out, [shard.name for shard in shards], _Done), set(out.names(SHARD))
    done = {name for name, told in records.items() if told.shard is not None and name in there}
    return [shard for shard in shards if shard.name not in done or records[shard.name].key != _key(shard)]


@dataclass(frozen=True)
class _Done:
    """The ledger's record of a shard."""

    key: str
    error: str = ""
    """Why the shard could not be read."""
    shard: ShardFacts | None = None
    """The corrected one."""
    counts: dict[str, int] = field(default_factory=dict)
    """Motions by verdict."""
    failures: list[dict[str, str]] = field(default_factory=list)
    results: str = ""
    """The digest of its table of results; earlier versions did not record that."""


def _key(shard: ShardFacts) -> str:
    """Of all that the result of a shard depends on beside the task."""
    told = [shard.sha256, importlib.metadata.version("selfcorrect")]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _finished(out: Place, shards: Sequence[ShardFacts]) -> tuple[Counter[str], list[dict[str, str]]]:
    """Write the table of failures and the manifest from the ledger."""
    told = all_recorded(out, [shard.name for shard in shards], _Done)
    if errors := [each.error for each in told if each.shard is None]:
        raise InputError(f"{len(errors)} of {len(shards)} shards could not be read; the first: {errors[0]}")
    failures = [failure for each in told for failure in each.failures]
    with out.replacing(FAILURES) as path:
        pq.write_table(pa.Table.from_pylist(failures, schema=_FAILURE), path)
        tables = {FAILURES: digest_of_file(path)}
    tables |= {f"{RESULTS}/{each.shard.name}": each.results for each in told if each.shard and each.results}
    write_manifest(out, [each.shard for each in told if each.shard], tables)
    return sum((Counter(each.counts) for each in told), Counter()), failures


# --- one shard -------------------------------------------------------------------------------------------------------


def correct_shard(task: ShardsTask, facts: ShardFacts, progress: Progress) -> None:
    """Correct one shard and record it; one that cannot be read is recorded as well, to be tried again."""
    out = place(task.out)
    try:
        told = _corrected(task, facts, out, progress)
    except InputError as error:
        told = _Done(_key(facts), str(error))
    record(out, facts.name, told)
    progress("generation", 1, 1)


def _corrected(task: ShardsTask, facts: ShardFacts, out: Place, progress: Progress) -> _Done:
    """Write the corrected shard and its table of results; returns their record for the ledger."""
    results: list[dict[str, Any]] = []
    lengths: list[int] = []
    with opened(place(task.source), facts) as shard, out.replacing(facts.name) as path:
        write_shard(path, shard.skeletons, _corrected_rows(shard, task.options, results, lengths, progress))
        written = ShardFacts.of(facts.name, path, lengths)
    with out.replacing(f"{RESULTS}/{facts.name}") as path:
        pq.write_table(pa.Table.from_pylist(results, schema=_RESULT), path)
        table = digest_of_file(path)
    counts = Counter(row["verdict"] for row in results)
    failures = [
        {"shard": facts.name, **{name: row[name] for name in ("name", "source", "verdict", "reason")}}
        for row in results
        if row["verdict"] != "accepted"
    ]
    return _Done(_key(facts), "", written, dict(counts), failures, table)


def _corrected_rows(
    shard: Shard, options: CorrectionOptions, results: list[dict[str, Any]], lengths: list[int], progress: Progress
) -> Iterator[list[Entry]]:
    """The corrected motions, a row group at a time.

    results gets a row per motion, lengths the frames of each that is kept.
    """
    for entries in shard.rows():
        kept = []
        for entry, correction in zip(entries, correct_each([each.motion for each in entries], options), strict=True):
            results.append(_result(entry, correction))
            if options.keep_failed or results[-1]["verdict"] == "accepted":
                motion = correction.motion if isinstance(correction, CorrectedMotion) else entry.motion
                kept.append(Entry(entry.name, motion))
        progress("correct", len(results), len(shard))
        lengths += [len(entry.motion) for entry in kept]
        if kept:
            yield kept


def _result(entry: Entry, correction: CorrectedMotion | Exception) -> dict[str, Any]:
    facts = {"name": entry.name, "source": entry.motion.source, "frames": len(entry.motion), "fps": entry.motion.fps}
    if isinstance(correction, Exception):
        reason = sentence_of(entry.motion.source, correction)
        return facts | {"verdict": "failed", "reason": reason, "notes": [], "figures": []}
    return facts | {
        "verdict": "accepted" if correction.accepted else "rejected",
        "reason": correction.reason,
        "frame": correction.failure.frame if correction.failure else None,
        "notes": list(map(str, correction.notes)),
        "figures": list(correction.diagnostics.items()),
    }
