"""Windows know their source, and never show held-out frames in training."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.datasets.collections.deepmimic import CYCLIC
from selfcorrect.datasets.window_settings import WindowSettings
from selfcorrect.datasets.windows import Windows, cut_windows, split_sources, split_windows
from selfcorrect.motion.editing.transforms import canonicalise, heading_rad, mirror, on_skeleton
from selfcorrect.motion.geometry.rotations import steps_between
from selfcorrect.motion.kinematics import joint_positions
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.skeleton import Skeleton

POLE = Skeleton(("pole",), (-1,), np.zeros((1, 3)), ("pelvis",))


def make_numbered_motion(frames: int, label: str = "a", source: str = "clip") -> Motion:
    """Make a pole whose height is its frame number in millimetres."""
    root_m = np.zeros((frames, 3))
    root_m[:, 1] = np.arange(frames) / 1000
    return Motion(POLE, root_m, np.tile([0.0, 0, 0, 1], (frames, 1, 1)), 30.0, label=label, source=source)


def frames_seen(windows: Windows, clip: str) -> set[int]:
    """Return the frames that a clip's windows show."""
    return set((windows.batch.root_m[windows.clips == clip][..., 1] * 1000).round().astype(int).ravel())


@pytest.mark.parametrize("frames", [12, 24, 48])
@pytest.mark.parametrize("stride", [1, 5])
def test_held_out_frames_are_unseen(frames: int, stride: int):
    """Held-out frames are unseen in the windows themselves.

    Each frame of the made clips carries its number.
    """
    motions = [
        make_numbered_motion(length, source=f"clip {length}") for length in (7, 24, 47, 48, 95, 96, 97, 130, 400)
    ]
    settings = WindowSettings(frames=frames, stride=stride, cyclic={"a"})
    split = split_windows(motions, settings)
    for motion in motions:
        seen = frames_seen(split.training, motion.source)
        held_out = frames_seen(split.held_out, motion.source)
        assert seen
        assert not seen & held_out
        assert bool(held_out) == (len(motion) >= 2 * frames)


def test_windows_state_their_times():
    windows = cut_windows([make_numbered_motion(60)], WindowSettings(frames=20, stride=3, mirrored=False))
    shown = windows.batch.root_m[..., 1] * 1000
    np.testing.assert_allclose(shown[:, 0], windows.start_s * 30, atol=1e-9)
    np.testing.assert_allclose(shown[:, -1], windows.stop_s * 30, atol=1e-9)
    assert len(windows) == 14
    held_out = split_windows([make_numbered_motion(100)], WindowSettings(frames=20, mirrored=False)).held_out
    np.testing.assert_allclose(held_out.batch.root_m[:, 0, 1] * 1000, held_out.start_s * 30, atol=1e-9)
    assert held_out.start_s.min() == 75 / 30


def test_cyclic_clip_covers_phases(clips: dict[str, Motion]):
    walk = clips["walk"]
    windows = cut_windows([walk], WindowSettings(cyclic=CYCLIC, mirrored=False))
    assert len(windows) == len(walk) - 1
    np.testing.assert_allclose(windows.stop_s, walk.seconds)
    travelled_m = windows.batch.root_m[:, -1, 2]
    assert np.all((travelled_m > 1.3) & (travelled_m < 1.7))
    speed = np.linalg.norm(np.diff(joint_positions(windows.batch), axis=1), axis=-1)
    assert speed.max() < 1.1 * np.linalg.norm(np.diff(joint_positions(walk), axis=0), axis=-1).max()


def test_short_clip_holds_pose():
    windows = cut_windows([make_numbered_motion(10)], WindowSettings(frames=16, mirrored=False))
    np.testing.assert_allclose(windows.batch.root_m[0, :, 1] * 1000, [*range(10), *[9] * 6])
    assert windows.stop_s[0] == 9 / 30


def test_windows_are_canonical(clips: dict[str, Motion]):
    dance = clips["dance_b"]
    windows = cut_windows([dance], WindowSettings(stride=7))
    np.testing.assert_allclose(windows.batch.root_m[:, 0, [0, 2]], 0, atol=1e-12)
    np.testing.assert_allclose(np.sin(heading_rad(windows.batch.rotations[:, 0, 0])), 0, atol=1e-9)
    assert windows.mirrored.tolist()[:4] == [False, True, False, True]
    for row, window in ((2, dance), (3, mirror(dance))):
        expected = canonicalise(window.frames(7, 55))
        np.testing.assert_allclose(joint_positions(windows.batch[row]), joint_positions(expected), atol=1e-9)


def test_labels_are_sorted():
    windows = cut_windows(
        [make_numbered_motion(30, "run", "x"), make_numbered_motion(30, "jump", "y")],
        WindowSettings(frames=30, mirrored=False),
    )
    assert windows.label_names == ("jump", "run")
    assert windows.labels.tolist() == [1, 0]
    assert windows.clips.tolist() == ["x", "y"]


def test_cap_spreads_over_clips():
    motions = [
        make_numbered_motion(100, "a", "x"),
        make_numbered_motion(100, "a", "y"),
        make_numbered_motion(22, "b", "z"),
    ]
    windows = cut_windows(motions, WindowSettings(frames=20, cap_per_label=10, mirrored=False))
    counts = {clip: int((windows.clips == clip).sum()) for clip in ("x", "y", "z")}
    assert counts == {"x": 5, "y": 5, "z": 3}
    assert np.ptp(windows.start_s[windows.clips == "x"]) > 1.8


def test_capped_windows_are_not_cut():
    """A cap keeps some of an hour's windows, all of which would take gigabytes."""
    motions = [make_numbered_motion(4000)]
    settings = WindowSettings(frames=100, cap_per_label=10)
    tracemalloc.start()
    windows = cut_windows(motions, settings)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(windows) == 10
    assert peak < 0.1 * (2 * 3900) * windows.batch.root_m[0].nbytes


def test_cap_keeps_windows_unchanged():
    motions = [make_numbered_motion(60, "a", "one"), make_numbered_motion(45, "b", "two")]
    everything = cut_windows(motions, WindowSettings(frames=20))
    capped = cut_windows(motions, WindowSettings(frames=20, cap_per_label=7))

    def name_windows(windows: Windows) -> dict[tuple[str, float, bool], bytes]:
        keys = zip(windows.clips, windows.start_s, windows.mirrored, strict=True)
        return {key: root_m.tobytes() for key, root_m in zip(keys, windows.batch.root_m, strict=True)}

    assert name_windows(capped).items() <= name_windows(everything).items()
    assert len(capped) == 14
    assert capped.mirrored.any()


def test_motions_are_resampled_first():
    fast = replace(make_numbered_motion(201), fps=60.0)
    windows = cut_windows([fast], WindowSettings(frames=50, mirrored=False))
    np.testing.assert_allclose(np.diff(windows.batch.root_m[0, :, 1]), 0.002, atol=1e-12)


def test_windows_add_no_speed(clips: dict[str, Motion]):
    """Windows are never faster than their clips.

    Cutting, closing cycles and turning add no jump to any joint.
    """
    windows = cut_windows(list(clips.values()), WindowSettings(cyclic=CYCLIC, stride=4))
    in_windows = 30.0 * steps_between(np.moveaxis(windows.batch.rotations, 1, 0))
    fastest = max(
        np.abs(np.linalg.norm(30.0 * steps_between(clip.rotations), axis=-1)).max() for clip in clips.values()
    )
    assert np.linalg.norm(in_windows, axis=-1).max() < 1.1 * fastest


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"frames": 0}, "frames must be at least 1, got 0"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"cap_per_label": 0}, "cap_per_label"),
        ({"fps": 0.0}, "fps must be positive"),
        ({"held_out_share": 1.0}, "between 0 and 1, got 1"),
    ],
)
def test_settings_are_checked(setting: dict[str, float], message: str):
    with pytest.raises(ValueError, match=message):
        WindowSettings(**setting)  # type: ignore[arg-type]


def test_empty_cuts_raise():
    with pytest.raises(ValueError, match="at least one motion"):
        cut_windows([])
    split = split_windows([make_numbered_motion(60)])
    assert (len(split.training), len(split.held_out)) == (26, 0)
    assert split.held_out.label_names == split.training.label_names


def test_bodies_are_averaged(walk: Motion):
    small = on_skeleton(walk, replace(walk.skeleton, offsets_m=0.8 * walk.skeleton.offsets_m))
    windows = cut_windows([walk, small], WindowSettings(mirrored=False, frames=20))
    np.testing.assert_allclose(windows.batch.skeleton.offsets_m, 0.9 * walk.skeleton.offsets_m)
    half = len(windows) // 2
    np.testing.assert_allclose(windows.batch.root_m[:half], windows.batch.root_m[half:], atol=1e-12)
    with pytest.raises(ValueError, match=r"same joints: clip has 1, .*walk.* has 15"):
        cut_windows([walk, make_numbered_motion(30)])


def test_held_out_people_use_training_bones(clips: dict[str, Motion]):
    """Held-out bones and frames stay out of training.

    Labels are those of both.
    """
    walk = clips["walk"]
    run = clips["run"]
    tall = on_skeleton(run, replace(run.skeleton, offsets_m=1.2 * run.skeleton.offsets_m))
    settings = WindowSettings(frames=20)
    split = split_sources([walk], [tall], settings)
    alone = cut_windows([walk], settings)
    np.testing.assert_array_equal(split.training.batch.root_m, alone.batch.root_m)
    np.testing.assert_array_equal(split.held_out.batch.skeleton.offsets_m, walk.skeleton.offsets_m)
    assert split.training.label_names == split.held_out.label_names == ("run", "walk")
    assert (set(split.training.labels), set(split.held_out.labels)) == ({1}, {0})
    with pytest.raises(ValueError, match="same joints"):
        split_sources([walk], [make_numbered_motion(30)], settings)
