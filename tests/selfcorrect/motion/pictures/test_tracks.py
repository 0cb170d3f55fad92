"""Tracks of feet from above."""

from dataclasses import replace

import numpy as np
import pytest

from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.tracks import FootTracks, draw_tracks


def _tracks_of(motion: Motion) -> FootTracks:
    tracks = FootTracks.from_motion(motion)
    assert tracks is not None
    return tracks


@pytest.mark.parametrize("slide_m", [0.0, 0.05, 0.3])
def test_streak_length_is_slide(stand: Motion, slide_m: float):
    way_m = np.zeros((len(stand), 3))
    way_m[:, 0] = np.linspace(0, slide_m, len(stand))
    tracks = _tracks_of(replace(stand, root_m=stand.root_m + way_m))
    assert {foot for foot, _ in tracks.streaks} == {0, 1}
    np.testing.assert_allclose(tracks.lengths_m(), slide_m, atol=1e-6)


def test_panels_share_scale(stand: Motion):
    tracks = _tracks_of(stand)
    assert draw_tracks([tracks, tracks], width_px=301, height_px=100).shape == (100, 301, 3)
    one = draw_tracks([tracks], width_px=150, height_px=100)
    np.testing.assert_array_equal(one, draw_tracks([tracks, tracks], width_px=300, height_px=100)[:, :150])
    assert (draw_tracks([], width_px=20, height_px=10) == draw_tracks([], width_px=20, height_px=10)[0, 0]).all()
