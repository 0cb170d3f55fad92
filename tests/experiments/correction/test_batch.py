"""What a run of many files says at its end."""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from selfcorrect.experiments.correction.batch import LISTED, closing
from selfcorrect.experiments.correction.report import FileResult, read_record, write_report


def results(count: int) -> list[FileResult]:
    return [
        FileResult(
            f"in/{n}.bvh",
            f"{n}.bvh",
            "",
            "accepted",
            failed_checks=("F4",),
            large_move_reason="moved by up to 0.42 m: spikes",
        )
        for n in range(count)
    ]


def test_few_files_are_all_named() -> None:
    told = closing(results(LISTED), Path("out"))
    assert told[0] == f"{LISTED} of {LISTED} motions corrected → out"
    assert told[1].splitlines()[-1] == f"{LISTED - 1}.bvh: moved by up to 0.42 m: spikes"
    assert told[2].endswith(f"; {LISTED - 1}.bvh (F4)")


def test_what_was_rejected_is_not_listed_as_moved() -> None:
    rejected = [replace(result, verdict="rejected") for result in results(2)]
    assert not any("moved by" in line for line in closing(rejected, Path("out")))
    assert "moved by" in "".join(closing([*rejected, replace(rejected[0], verdict="partly")], Path("out")))


@pytest.mark.parametrize("after_m_s", [0.198, 0.02])
def test_a_motion_that_is_followed_but_worse_is_named_and_not_counted(after_m_s: float) -> None:
    """Without residual force a body may reach the end far from the motion, on feet that slide."""
    (followed,) = results(1)
    followed = replace(followed, stage="simulated", before={"standing_m_s": 0.027}, after={"standing_m_s": after_m_s})
    told, is_worse = closing([followed], Path("out")), after_m_s > 0.027
    assert told[0].startswith("0 of 1" if is_worse else "1 of 1")
    assert told[1].startswith("corrected, but worse in some figure (1): 0.bvh (") == is_worse
    assert ("27.0 → 198.0 mm/s" in told[1]) == is_worse


def test_of_thousands_the_first_are_named_and_the_rest_counted() -> None:
    told = closing(results(3000), Path("out"))
    assert told[1].splitlines()[-1] == told[2].rpartition("; ")[2] == f"and {3000 - LISTED} more, in the report"
    assert "(3000): 0.bvh (F4); 1.bvh (F4)" in told[2]
    assert sum(map(len, told)) < 100 * LISTED


def test_a_figure_that_is_no_number_leaves_the_report_json(tmp_path: Path) -> None:
    odd = FileResult(
        "a", "a.bvh", "", "accepted", before={"jerk": math.nan}, furthest_m=math.inf, over_time={"x": [-math.inf]}
    )
    write_report(tmp_path / "report.json", ".", {}, ["accepted"], [odd])
    (motion,) = json.loads((tmp_path / "report.json").read_text(), parse_constant=pytest.fail)["motions"]
    assert (motion["before"]["jerk"], motion["furthest_m"], motion["over_time"]["x"]) == (None, None, [None])


def test_records_under_earlier_keys_are_read(tmp_path: Path) -> None:
    """Run folders of earlier versions go on: their keys mean what today's mean, in each motion of a set, too."""
    keys = {
        "residual": "help",
        "sidecar_digests": "beside",
        "failed_checks": "odd",
        "large_move_reason": "moved_because",
        "not_corrected": "left_as_it_came",
    }
    (result,) = results(1)
    result = replace(result, sidecar_digests={"a": "b"}, not_corrected="it drifts", residual={"x": 1.0})
    result = replace(result, motions=[{"failed_checks": ["F4"], "verdict": "accepted"}])
    values = {keys.get(key, key): value for key, value in asdict(result).items()}
    values["motions"] = [{"odd": ["F4"], "verdict": "accepted"}]
    (tmp_path / "old.json").write_text(json.dumps(values))
    read, is_sealed = read_record(tmp_path / "old.json")
    assert (read, is_sealed) == (result, False)
