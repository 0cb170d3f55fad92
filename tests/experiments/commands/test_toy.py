"""The toy command: what it runs, what it writes, what it says of bad arguments."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path

import pytest

from selfcorrect.experiments.cli import main
from selfcorrect.experiments.commands.toy import ToyCommand
from selfcorrect.experiments.toy.claims import Claim, above, agrees, below
from selfcorrect.experiments.toy.drawing import draw
from selfcorrect.experiments.toy.gallery import not_reproduced
from selfcorrect.experiments.toy.loops import settings_of, summary
from selfcorrect.experiments.toy.table import TOYS, chosen
from selfcorrect.statistics import UNMEASURED, Interval


def interval(_: object) -> Interval:
    return Interval(2.0, 1.5, 2.5, 10, "t")


@pytest.mark.slow
def test_gallery_is_self_contained_and_lists_statements_with_predictions(tmp_path: Path) -> None:
    ToyCommand(names=("weighting", "crossfeed"), out=tmp_path, quick=True).run()
    page = (tmp_path / "gallery.html").read_text()
    assert page.count("<svg") == 2
    assert not re.search(r'(src|href)="https?:', page)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["name"] for row in rows] == ["weighting", "crossfeed"]
    assert all(
        check["predicted"] and check["measured"] in page.replace("&lt;", "<") for row in rows for check in row["checks"]
    )


def test_all_means_every_preset_in_the_tables_order() -> None:
    assert chosen(["all"]) == chosen(["mad", "all"]) == TOYS.names
    assert chosen(["linear", "mad", "linear"]) == ["linear", "mad"]


def test_options_reach_the_settings_that_have_them() -> None:
    options = {"seed": 7, "text": Path("words.txt"), "mnist": None}
    assert settings_of("language", quick=True, **options).text == Path("words.txt")
    assert settings_of("linear", quick=True, **options).seed == 7


def test_an_unknown_loop_is_one_sentence_and_exit_code_two(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["toy", "gausian", "--out", str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert "unknown toy loop 'gausian', known are gaussian-correct" in message
    assert "Traceback" not in message
    assert not list(tmp_path.iterdir())


def test_a_missing_text_file_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["toy", "language", "--quick", "--text", str(tmp_path / "none.txt"), "--out", str(tmp_path)]) == 2
    assert "none.txt" in capsys.readouterr().err


def test_list_prints_every_name_with_its_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["toy", "list"]) == 0
    printed = capsys.readouterr().out
    assert all(row.name in printed and row.source in printed for row in TOYS)


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        (agrees("", interval, 2.4), "holds"),
        (agrees("", interval, 2.6), "fails"),
        (agrees("", lambda _: Interval(2.0, 1.99, 2.01, 900, "t"), 2.05), "holds"),
        (above("", interval, 1.4), "holds"),
        (above("", interval, 2.0), "undecided"),
        (above("", interval, 2.5), "fails"),
        (below("", interval, 2.6), "holds"),
        (below("", interval, 1.5), "fails"),
        (above("", lambda _: UNMEASURED, 1.5), "undecided"),
    ],
)
def test_outcomes_need_the_whole_interval_on_one_side(claim: Claim, outcome: str) -> None:
    assert claim.check({}).outcome == outcome


def test_only_published_claims_can_fail_to_reproduce() -> None:
    assert not_reproduced(asdict(above("", interval, 3.0).check({})))
    assert not not_reproduced(asdict(above("", interval, 3.0, published=False).check({})))


def test_a_line_names_the_statements_that_do_not_hold() -> None:
    checks = [{"statement": name, "outcome": name} for name in ("holds", "fails", "undecided")]
    line = summary({"name": "remedies", "seconds": 1.0, "checks": checks})
    assert line == "remedies: 1 of 3 statements hold, 1.0 s; fails: fails; undecided: undecided"


def test_drawing_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="no drawing for str"):
        draw("a picture")  # type: ignore[arg-type]
