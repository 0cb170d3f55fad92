"""The example package of a corrector: scenes are drawn from the stream, and each scene has its own result."""

from __future__ import annotations

import pytest
import torch
from helpers import REPOSITORY, install_plugin

from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples
from selfcorrect.correctors.contract import call_corrector
from selfcorrect.experiments.motion.correctors.own import CorrectorInputs
from selfcorrect.experiments.motion.correctors.table import CORRECTORS, is_own
from selfcorrect.motion.encodings.features import FeatureCodec
from selfcorrect.motion.motion import Motion, MotionBatch
from selfcorrect.runtime.progress import silent
from selfcorrect.simulators.settings.engine_table import PUBLISHED_ENGINE


@pytest.fixture(autouse=True)
def plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    package = REPOSITORY / "examples" / "plugins" / "random_scenes"
    install_plugin(package, tmp_path_factory.mktemp("site"), monkeypatch)


def test_scenes_are_drawn_from_the_stream_alone() -> None:
    from random_scenes import MAX_LOAD_KG, draw_scene

    drawn = [draw_scene(streams(seed).child("scene")) for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert all(0 < scene.load_kg < MAX_LOAD_KG and scene.slope_deg == 0 for scene in drawn)


@pytest.mark.slow
def test_scenes_vary_the_same_sample(clips: dict[str, Motion]) -> None:
    """Two batches of the same window, each in its own scene."""
    assert is_own("randomized-dynamics")
    batch = MotionBatch.stack([clips["walk"].frames(0, 24)] * 17)
    codec = FeatureCodec.fit(batch)
    samples = Samples.synthetic(codec.encode(batch), torch.arange(17), 0)
    inputs = CorrectorInputs(codec, samples, None, streams(1), silent, engine=PUBLISHED_ENGINE)  # type: ignore[arg-type]
    correct = CORRECTORS.load("randomized-dynamics")(inputs)
    corrected = call_corrector(correct, samples, streams(3))
    values = corrected.samples.values
    assert corrected.accepted.all()
    assert corrected.samples.labels.tolist() == list(range(17))
    assert len(corrected.info["moved_m"]) == 17
    assert torch.equal(values, call_corrector(correct, samples, streams(3)).samples.values)
    assert torch.equal(values[0], values[15])
    assert not torch.allclose(values[0], values[16], atol=1e-3)
    from_another_stream = call_corrector(correct, samples, streams(4)).samples.values
    assert not torch.allclose(values[0], from_another_stream[0], atol=1e-3)
