"""Ground distance, ankle distance and slide see sinking, floating and sliding of known size."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from selfcorrect.core.randomness import streams
from selfcorrect.experiments.studies.motion.presets import PRESETS
from selfcorrect.experiments.studies.motion.task import MotionData, motion_data
from selfcorrect.motion.body.surface import find_sole_middles_m, world_sole_points
from selfcorrect.motion.editing.artefacts import jitter_joints, jitter_roots, offset_heights, raise_bodies, slide_bodies
from selfcorrect.motion.kinematics import forward_kinematics
from selfcorrect.motion.measures.ankles import ankle_distance, ankle_statistics
from selfcorrect.motion.measures.embedding import TIME_BLOCKS, ground_features
from selfcorrect.motion.measures.evaluation import MotionEvaluator
from selfcorrect.motion.measures.sliding import find_footing, measure_slide_m_s
from selfcorrect.motion.motion import Motion, MotionBatch

Change = Callable[[MotionBatch], MotionBatch]


@pytest.fixture(scope="module")
def data() -> MotionData:
    """Real windows as the loop cuts them."""
    return motion_data(PRESETS["short"], streams(0))


@pytest.fixture(scope="module")
def evaluator(data: MotionData) -> MotionEvaluator:
    return MotionEvaluator.fit(data.reference.batch, data.reference.labels)


@pytest.fixture(scope="module")
def score(data: MotionData, evaluator: MotionEvaluator) -> Callable[[Change], dict[str, float]]:
    """Scores of fresh real windows that were changed."""
    return lambda change: evaluator.evaluate(change(data.fresh.batch), data.fresh.labels)


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


LADDERS = {
    "sunk": [lambda batch, depth_m=depth_m: raise_bodies(batch, -depth_m) for depth_m in (0.01, 0.02, 0.03, 0.1)],
    "raised": [lambda batch, height_m=height_m: raise_bodies(batch, height_m) for height_m in (0.02, 0.03, 0.1)],
    "heights": [lambda batch, sd_m=sd_m: offset_heights(batch, sd_m, rng()) for sd_m in (0.02, 0.05)],
    "sliding": [lambda batch, m_s=m_s: slide_bodies(batch, m_s, rng()) for m_s in (0.1, 0.2, 0.5)],
    "jitter of the root": [lambda batch, sd_m=sd_m: jitter_roots(batch, sd_m, rng()) for sd_m in (0.002, 0.005)],
    "jitter of joints": [lambda batch, deg=deg: jitter_joints(batch, np.radians(deg), rng()) for deg in (1.0, 2.3)],
}
"""Artefact → changes of growing size."""
MOVES_SLIDE = {"sliding", "jitter of the root", "jitter of joints"}


@pytest.mark.parametrize("artefact", LADDERS)
def test_distances_grow_with_artefact(artefact: str, score: Callable):
    real = score(lambda batch: batch)
    scores = [real, *map(score, LADDERS[artefact])]
    for key in ("fid_ground", "energy_ankles"):
        assert all(np.diff([values[key] for values in scores]) > 0), key
    slides = [values["slide_m_s"] for values in scores]
    if artefact in MOVES_SLIDE:
        assert all(np.diff(slides) > 0)
    else:
        assert slides == pytest.approx([slides[0]] * len(slides))


def test_small_faults_are_far_from_real(score: Callable):
    real = score(lambda batch: batch)
    assert score(LADDERS["sunk"][1])["fid_ground"] > 3 * real["fid_ground"]
    assert score(LADDERS["sunk"][1])["fid_kinematic"] == pytest.approx(real["fid_kinematic"])
    assert score(LADDERS["sliding"][1])["fid_ground"] > 1.2 * real["fid_ground"]


def test_real_ankles_are_near_sampling_floor(data: MotionData, score: Callable):
    """Fresh real windows are about as far as other samples of the same size from the reference itself."""
    rng_of = np.random.default_rng(0)
    reference = ankle_statistics(data.reference.batch)
    floors = []
    for _ in range(20):
        rows = rng_of.permutation(len(reference))
        some, others = np.split(reference[rows], [len(data.fresh)])
        floors.append(ankle_distance(others, some))
    assert score(lambda batch: batch)["energy_ankles"] < 1.5 * np.max(floors)


def test_slide_is_of_slowest_point(stand: Motion):
    """A body that turns on its left heel slides on each foot as its point nearest to that heel does."""
    positions_m, orientations = forward_kinematics(stand.skeleton, stand.root_m, stand.rotations)
    soles_m = world_sole_points(stand.skeleton, positions_m, orientations)[0]
    points_m = find_sole_middles_m(soles_m.reshape(2, -1, 3))
    heel_m = points_m[0, 0] * (1, 0, 1)
    turns = Rotation.from_rotvec(np.outer(np.arange(len(stand)) / 30, [0, 2.0, 0]))
    root_m = heel_m + turns.apply(stand.root_m - heel_m)
    rotations = stand.rotations.copy()
    rotations[:, 0] = (turns * Rotation.from_quat(rotations[:, 0])).as_quat()
    distances_m = np.linalg.norm((points_m - heel_m)[..., [0, 2]], axis=-1)
    chord = 2 * np.sin(1.0 / 30) * 30  # in a frame, the body turns by 2/30 rad
    turned = MotionBatch.stack([replace(stand, root_m=root_m, rotations=rotations)])
    assert measure_slide_m_s(turned)[0] == pytest.approx(chord * distances_m.min(axis=1).mean())


def test_ground_features_have_known_values(stand: Motion):
    """A body 3 cm above the floor glides at 0.5 m/s: its feet stand, but not on the floor."""
    path_m = np.outer(np.arange(len(stand)) / 30, [0.5, 0, 0]) + np.array([0, 0.03, 0])
    floating = replace(stand, root_m=stand.root_m + path_m)
    heights, contacts, slides = ground_features(MotionBatch.stack([floating, stand]))
    np.testing.assert_allclose(heights, np.repeat([[np.arcsinh(3.0)], [0.0]], TIME_BLOCKS, axis=1), atol=1e-9)
    np.testing.assert_allclose(contacts[0], 0)
    np.testing.assert_allclose(contacts[1], 1)
    np.testing.assert_allclose(slides, np.repeat([[np.log1p(5.0)], [0.0]], TIME_BLOCKS, axis=1), atol=1e-9)


def test_slide_equals_carried_speed(walk: Motion):
    """Standing feet slide at the body's carried speed.

    The height may be any.
    """
    batch = MotionBatch.stack([walk])
    still_m_s = measure_slide_m_s(batch)[0]
    moved_m_s = measure_slide_m_s(slide_bodies(batch, 2.0, rng()))[0]
    assert moved_m_s == pytest.approx(2.0, abs=still_m_s + 0.1)
    sunk_m_s = measure_slide_m_s(raise_bodies(slide_bodies(batch, 2.0, rng()), -0.3))[0]
    assert sunk_m_s == pytest.approx(moved_m_s)


def test_padding_is_ignored(walk: Motion):
    short, long = walk.frames(0, 20), walk.frames(0, 60)
    alone = measure_slide_m_s(MotionBatch.stack([short]))
    beside = MotionBatch.stack([short, long])
    assert measure_slide_m_s(beside)[0] == pytest.approx(alone[0], rel=0.2)
    assert not find_footing(beside).stands[0, 19:].any()
