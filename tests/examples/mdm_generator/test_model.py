"""The diffusion model agrees with its layers by hand and the published sampling loop."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from mdm_files import Reference, sample_reference, sinusoids, write_mdm
from mdm_generator.arguments import MdmArguments
from mdm_generator.checkpoint import load_mdm
from mdm_generator.model import MdmDiffusion
from mdm_generator.network import Mdm, PromptedNetwork, Prompts
from mdm_generator.padding import measure_lengths, zero_padding

from selfcorrect.core.errors import InputError
from selfcorrect.core.randomness import streams
from selfcorrect.core.samples import Samples

CPU = torch.device("cpu")
FRAMES = 24
"""Of motions here, so that tests are quick; nothing depends on it but the table of times."""
LENGTHS = (24, 16, 9)


def prompts(width: int = 8) -> Prompts:
    """One caption for each of three motions."""
    text = torch.randn((3, width), generator=torch.Generator().manual_seed(5))
    return Prompts(text, torch.tensor(LENGTHS), torch.arange(4))


def load_model(folder: Path, **changed: Any) -> tuple[MdmDiffusion, Reference, Prompts]:
    path, reference = write_mdm(folder, **changed)
    asked = prompts()
    return replace(load_mdm(path).model(asked, CPU), frames=FRAMES), reference, asked


@pytest.mark.parametrize("steps", [12, 50])
def test_predictions_match_layers(tmp_path: Path, steps: int) -> None:
    model, reference, asked = load_model(tmp_path, diffusion_steps=steps)
    noisy = torch.randn((3, FRAMES, model.features), generator=torch.Generator().manual_seed(1))
    for time in (0, 5, model.config.diffusion_steps - 1):
        times = torch.full((3,), time)
        words = reference(noisy, times, asked.text)
        none = reference(noisy, times, torch.zeros_like(asked.text))
        for scale, expected in ((1.0, words), (0.0, none), (2.5, none + 2.5 * (words - none))):
            prediction = model.with_sampling(guidance_scale=scale).denoise(noisy, time, torch.arange(3))
            torch.testing.assert_close(prediction, expected, atol=1e-5, rtol=0)
    assert (words - none).abs().max() > 1e-3, "captions must matter, or nothing is tested"


def test_sampling_chain_matches_paper(tmp_path: Path) -> None:
    model, reference, asked = load_model(tmp_path)
    assert model.config.guidance_scale == 2.5
    stream = streams(3).child("sample")
    labels = torch.tensor([2, 0, 1])
    generator = stream.generator()
    shape = (3, FRAMES, 263)
    start, *noises = [torch.randn(shape, generator=generator) for _ in range(model.config.diffusion_steps)]
    expected = sample_reference(reference, start, [*noises, start], asked.text[labels], 2.5)
    chain_end = model.sample(labels, stream)
    lengths = asked.lengths[labels]
    assert measure_lengths(chain_end).tolist() == lengths.tolist()
    torch.testing.assert_close(chain_end, zero_padding(expected, lengths), atol=1e-5, rtol=1e-5)
    assert expected.abs().max() < 100


def test_parameter_count_matches_paper() -> None:
    """Parameters are counted by hand.

    There are 8 layers with attention (4 · 512²), two linear maps (2 · 512 · 1024) and norms.
    """
    with torch.device("meta"):
        network = Mdm(MdmArguments(), 512)
    names = {name for name, _ in network.named_parameters()}
    assert len([name for name in names if name.startswith("seqTransEncoder.layers.7.")]) == 12
    assert {"embed_text.weight", "input_process.poseEmbedding.bias", "output_process.poseFinal.weight"} < names
    assert sum(parameter.numel() for parameter in network.parameters()) == 17_880_327


def test_sinusoids_match_file() -> None:
    network = Mdm(MdmArguments(latent_dim=16, layers=1), 8)
    # angles of thousands of radians are rounded to 2⁻¹³
    torch.testing.assert_close(network.sequence_pos_encoder.pe, sinusoids(16), atol=1e-3, rtol=0)
    torch.testing.assert_close(network.sequence_pos_encoder.pe[:200], sinusoids(16)[:200], atol=1e-5, rtol=0)


# --- training --------------------------------------------------------------------------------------------------------


def real(model: MdmDiffusion) -> Samples:
    """Make one motion per prompt, of the prompt's length, constant by label."""
    labels = torch.arange(3)
    levels = torch.tensor([-1.0, 0.5, 1.5])[labels]
    values = levels[:, None, None].expand(3, FRAMES, 263)
    return Samples.real(zero_padding(values, torch.tensor(LENGTHS)), labels)


def test_loss_ignores_padding(tmp_path: Path) -> None:
    model, *_ = load_model(tmp_path)
    clean = real(model).values
    predicted = clean + 2.0
    assert float(model.loss(predicted, clean)) == pytest.approx(4.0)
    wrong_after_the_end = torch.where(clean == 0, 100.0, clean)
    assert float(model.loss(wrong_after_the_end, clean)) == 0.0


@pytest.mark.slow
def test_fine_tuning_starts_at_checkpoint(tmp_path: Path) -> None:
    model = load_model(tmp_path, batch_size=16, lr=3e-3)[0].with_sampling(guidance_scale=1.0)
    samples = real(model)
    same = model.fit(samples, 0, streams(0).child("fit"))
    assert same.steps == model.steps
    for name, value in model.state().items():
        torch.testing.assert_close(same.state()[name], value, atol=0, rtol=0)
    assert safetensors.torch.load(safetensors.torch.save(model.state())).keys() == model.state().keys()
    tuned = model.fit(samples, 60, streams(0).child("fit"))
    labels = torch.arange(3).repeat(32)  # of three draws alone, one in fifty is twice as hard
    noisy = torch.randn((len(labels), FRAMES, 263), generator=torch.Generator().manual_seed(2))
    errors = [stage.loss(stage.denoise(noisy, 6, labels), samples.values[labels]).item() for stage in (model, tuned)]
    assert errors[1] < 0.5 * errors[0]
    assert tuned.steps == 475_060
    reloaded = model.load_state(tuned.state())
    torch.testing.assert_close(reloaded.denoise(noisy, 6, labels), tuned.denoise(noisy, 6, labels))


def test_step_is_published_adamw(tmp_path: Path) -> None:
    """One update agrees with AdamW by hand.

    No clipping, no decay, β₂ = 0.999, the published learning rate; dropout off.
    """
    model, *_ = load_model(tmp_path, batch_size=4, cond_mask_prob=0.0)
    for module in (model.network, model.average):
        assert module is not None
        for layer in module.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0
            if isinstance(layer, torch.nn.MultiheadAttention):
                layer.dropout = 0.0
    stream = streams(4).child("fit")
    tuned = model.fit(real(model), 1, stream)
    network = load_model(tmp_path / "again", batch_size=4, cond_mask_prob=0.0)[0].network
    assert isinstance(network, PromptedNetwork)
    batch = model._draw(real(model), stream.child("batches").generator())
    optimiser = torch.optim.AdamW(network.parameters(), lr=1e-4, betas=(0.9, 0.999), weight_decay=0.0)
    model.loss(network(batch.noisy, batch.times, batch.labels), batch.clean).backward()
    optimiser.step()
    assert tuned.network is not None
    for name, value in network.state_dict().items():
        torch.testing.assert_close(tuned.network.state_dict()[name], value, atol=2e-6, rtol=0)


def test_training_draws_all_captions(tmp_path: Path) -> None:
    path, _ = write_mdm(tmp_path, cond_mask_prob=0.25, batch_size=2000)
    text = torch.arange(4.0)[:, None].expand(4, 8)
    asked = Prompts(text, torch.tensor([2, 2, 2, 1]), torch.tensor([0, 3, 4]))
    model = replace(load_mdm(path).model(asked, CPU), frames=2)
    samples = Samples.real(torch.ones(2, 2, 263), torch.arange(2))
    rows = model._draw(samples, streams(1).child("draws").generator()).labels
    shares = torch.bincount(rows, minlength=8) / len(rows)
    expected = torch.tensor([1, 1, 1, 3]) / 6
    torch.testing.assert_close(shares, torch.cat([0.75 * expected, 0.25 * expected]), atol=0.035, rtol=0)
    assert model.sample(torch.tensor([1, 0]), streams(2)).shape == (2, 2, 263)


def test_prompt_table_keeps_weights(tmp_path: Path) -> None:
    model, _, asked = load_model(tmp_path)
    other_prompts = model.with_prompts(asked.take(torch.tensor([1]), torch.tensor([20])))
    assert measure_lengths(other_prompts.sample(torch.zeros(2, dtype=torch.long), streams(0))).tolist() == [20, 20]
    assert other_prompts.classes == 1
    torch.testing.assert_close(
        other_prompts.load_state(model.state()).denoise(torch.ones(1, FRAMES, 263), 4, torch.tensor([0])),
        model.denoise(torch.ones(1, FRAMES, 263), 4, torch.tensor([1])),
    )


def test_arguments_give_untrained_network(tmp_path: Path) -> None:
    write_mdm(tmp_path)
    checkpoint = load_mdm(tmp_path / "args.json")
    assert (checkpoint.network, checkpoint.text_width) == (None, 512)
    model = replace(checkpoint.model(prompts(width=512), CPU), frames=FRAMES)
    with pytest.raises(InputError, match="not trained yet"):
        model.sample(torch.arange(3), streams(0))
    trained = model.fit(real(model), 1, streams(0))
    assert trained.sample(torch.arange(3), streams(0)).isfinite().all()


# --- bad files -------------------------------------------------------------------------------------------------------


def test_mismatched_weights_are_named(tmp_path: Path) -> None:
    path, reference = write_mdm(tmp_path)
    state = reference.state()
    without = {name: value for name, value in state.items() if "layers.1" not in name}
    for wrong, message in (
        (without, "Missing key.* .seqTransEncoder.layers.1"),
        ([1, 2], "expected a table"),
        ({**state, "embed_text.bias": torch.zeros(3)}, "size mismatch for embed_text.bias"),
        ({**state, "embed_text.bias": torch.zeros(16, dtype=torch.int64)}, "embed_text.bias must hold .*float32"),
        ({**state, 3: torch.zeros(3)}, "is not laid out as"),
    ):
        torch.save(wrong, path)
        with pytest.raises(InputError, match=message):
            load_mdm(path)


def test_other_encoder_raises(tmp_path: Path) -> None:
    path, _ = write_mdm(tmp_path)
    with pytest.raises(InputError, match=r"12 numbers.*8"):
        load_mdm(path).model(prompts(width=12), CPU)
    with pytest.raises(InputError, match=r"2 labels.*got 3"):
        replace(load_mdm(path).model(prompts(), CPU), classes=2)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("arch", "trans_dec"),
        ("dataset", "kit"),
        ("noise_schedule", "linear"),
        ("mask_frames", True),
        ("lambda_fc", 1.0),
    ],
)
def test_other_variants_are_named(tmp_path: Path, name: str, value: Any) -> None:
    path, _ = write_mdm(tmp_path, **{name: value})
    with pytest.raises(InputError, match=f"{name} is .*{value}.* read here"):
        load_mdm(path)
