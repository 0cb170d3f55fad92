"""Each special case can be left out, is reported if it is believed, and is one file."""

from dataclasses import replace
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import numpy as np
import pytest
from copied_packages import CopiedPackages

import selfcorrect as sc
from selfcorrect.core.errors import SettingError
from selfcorrect.motion.motion import Motion
from selfcorrect.runtime import registry
from selfcorrect.simulators.clean import FILE_STEPS, CleanupSettings
from selfcorrect.simulators.core.cleaning import name_hypothesis
from selfcorrect.simulators.hypotheses import steps, views
from selfcorrect.simulators.hypotheses.table import HYPOTHESES, Believed, list_steps, list_views, list_views_besides
from selfcorrect.simulators.presets import FILES
from selfcorrect.simulators.results.view import CorrectionView, Part
from selfcorrect.simulators.view_table import VIEWS

MODULES = {
    place: {path.stem: path for path in Path(package.__path__[0]).resolve().glob("[!_]*.py")}
    for place, package in {"view": views, "step": steps}.items()
}
OWN_VIEWS = [row.name for row in HYPOTHESES if row.place == "view"]


def test_deleted_view_is_left_out_of_the_order() -> None:
    assert list_views(["gone", *OWN_VIEWS]) == list_views(OWN_VIEWS) == tuple(map(Believed, OWN_VIEWS))
    assert list_views_besides(OWN_VIEWS[1:]) == (Believed(OWN_VIEWS[0]),)


def test_every_place_is_filled() -> None:
    by_place = {place: [row.name for row in HYPOTHESES if row.place == place] for place in ("view", "world", "step")}
    assert sorted(view.name for view in VIEWS if isinstance(view, Believed)) == sorted(by_place["view"])
    assert sorted(filter(None, map(name_hypothesis, FILE_STEPS))) == sorted(by_place["step"])
    assert all(callable(HYPOTHESES.load(row.name)) and row.evidence for row in HYPOTHESES)


@pytest.mark.parametrize("place", MODULES)
def test_each_file_is_a_hypothesis(place: str) -> None:
    files = [row.reference.partition(":")[0].rpartition(".") for row in HYPOTHESES if row.place == place]
    assert {name for room, _, name in files if room.endswith(f".{place}s")} == MODULES[place].keys()


def test_deleted_step_is_left_out() -> None:
    assert list_steps("gone") == ()
    assert [name_hypothesis(step) for step in list_steps("displaced-body", "turned-knees")] == [
        "displaced-body",
        "turned-knees",
    ]


@pytest.mark.slow
def test_motions_are_corrected_without_files(walk: Motion, tmp_path: Path) -> None:
    """All files are deleted from a copy of the packages, and a walk is corrected there."""
    packages = CopiedPackages.make(tmp_path)
    packages.delete(*(path for files in MODULES.values() for path in files.values()))
    sc.save_motion(tmp_path / "walk.bvh", walk)
    corrected = packages.run("correct", "walk.bvh", "--kinematic", folder=tmp_path)
    assert (tmp_path / "corrected" / "walk.bvh").is_file(), corrected.stderr
    refused = packages.run("correct", "walk.bvh", "--without", "carried", folder=tmp_path)
    assert refused.returncode == 2
    assert "unknown hypothesis" in refused.stderr


def test_hypothesis_can_be_left_out(walk: Motion) -> None:
    shaking = replace(walk, root_m=walk.root_m + np.random.default_rng(0).normal(0.0, 0.01, walk.root_m.shape))
    motion = shaking.select_frames(np.arange(len(walk)).repeat(2))
    believing = sc.correct(motion, kinematic=True)
    doubting = sc.correct(motion, kinematic=True, without=("repeated-frames",))
    assert "repeated-frames" in believing.hypotheses
    assert "repeated-frames" not in doubting.hypotheses
    assert not np.array_equal(believing.motion.root_m, doubting.motion.root_m)


def test_unknown_name_is_refused() -> None:
    with pytest.raises(SettingError, match=r"unknown hypothesis 'suports'.*did you mean 'supports'"):
        sc.CorrectionOptions(without=("suports",))


def test_plain_walk_needs_no_hypothesis(walk: Motion) -> None:
    everything = tuple(row.name for row in HYPOTHESES)
    assert sc.correct(walk, kinematic=True).hypotheses == ()
    believing, doubting = (sc.correct(walk, kinematic=True, without=names) for names in ((), everything))
    np.testing.assert_array_equal(believing.motion.rotations, doubting.motion.rotations)


def show_backwards(part: Part, settings: object) -> CorrectionView:
    """Believe that time runs backwards."""

    def turn(motion: Motion) -> Motion:
        return replace(motion, root_m=motion.root_m[::-1], rotations=motion.rotations[::-1])

    return CorrectionView.from_part(
        Part(turn(part.motion)), lambda correction: replace(correction, motion=turn(correction.motion))
    )


def test_other_packages_add_views(monkeypatch: pytest.MonkeyPatch, walk: Motion) -> None:
    point = EntryPoint("backwards", f"{__name__}:show_backwards", "selfcorrect.hypotheses")
    monkeypatch.setattr(registry, "_read_entry_points", lambda path: EntryPoints([point]))
    monkeypatch.setattr(registry, "import_object", lambda reference: show_backwards)
    (added,) = list_views_besides(OWN_VIEWS)
    pipeline = FILES
    view = added(Part(walk), pipeline)
    assert np.array_equal(view.parts[0].motion.root_m, walk.root_m[::-1])
    without = replace(pipeline, cleanup=replace(CleanupSettings(), without=("backwards",)))
    assert added(Part(walk), without).parts[0].motion is walk
