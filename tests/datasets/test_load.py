"""Sources of motions by name and path."""

from pathlib import Path

import pytest

from selfcorrect.datasets.load import label_of, load_motions
from selfcorrect.datasets.splits import path_and_split


@pytest.fixture
def folder(tmp_path: Path, bvh_text: str) -> Path:
    """Make BVH files at several depths and spellings, beside other files."""
    for name in ("walk_01.bvh", "walk_02.BVH", "dances/tango 3.bvh", "dances/deep/12.bvh"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(bvh_text)
    (tmp_path / "notes.txt").write_text("not a motion")
    return tmp_path


def test_one_file_is_one_motion(folder: Path):
    (motion,) = load_motions(folder / "walk_01.bvh")
    assert (len(motion), motion.label) == (3, "walk")
    assert motion.source.endswith("walk_01.bvh")


def test_folder_labels(folder: Path):
    motions = load_motions(str(folder))
    assert sorted(motion.label for motion in motions) == ["dances", "deep", "walk", "walk"]


@pytest.mark.parametrize(
    ("name", "label"),
    [("walk_01.bvh", "walk"), ("12.bvh", "12"), ("run.bvh", "run"), ("a/b.bvh", "a"), ("x-2.npz", "x")],
)
def test_labels_without_an_index(name: str, label: str):
    assert label_of(Path("/data") / name, Path("/data")) == label


def test_unloadable_raises(tmp_path: Path):
    with pytest.raises(ValueError, match="nowhere; expected deepmimic"):
        load_motions("nowhere")
    with pytest.raises(ValueError, match="no motions"):
        load_motions(tmp_path)
    (tmp_path / "notes.txt").write_text("not a motion")
    with pytest.raises(ValueError, match=r"notes\.txt"):
        load_motions(tmp_path / "notes.txt")


def test_split_follows_path(folder: Path, cmu: Path):
    assert path_and_split("set/cmu.tar.gz#test") == (Path("set/cmu.tar.gz"), "test")
    (folder / "a#b").mkdir()
    assert path_and_split(folder / "a#b") == (folder / "a#b", None)
    with pytest.raises(ValueError, match="splits, got #test"):
        load_motions(f"{folder}#test")
    both = [motion.source for motion in load_motions(f"{cmu}#subjects=10,94")]
    assert {Path(source).stem.split("_")[0] for source in both} == {"10", "94"}
    with pytest.raises(ValueError, match="'subjects=10,4711'"):
        load_motions(f"{cmu}#subjects=10,4711")
    with pytest.raises(ValueError, match=r"'subjects=4711'.*\['test', 'train'\]"):
        load_motions(f"{cmu}#subjects=4711")
