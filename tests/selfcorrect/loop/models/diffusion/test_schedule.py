"""The noise schedule, against diffusers' schedulers."""

from itertools import pairwise

import pytest
import torch

from selfcorrect.loop.models.diffusion.schedule import cosine_schedule

STEPS = 100
EVERY_TIME = list(range(STEPS - 1, -1, -1))
EVERY_FIFTH_TIME = list(range(95, -1, -5))


def reference(name: str, **options):
    import diffusers  # slow to import

    kind = getattr(diffusers, name)
    return kind(STEPS, beta_schedule="squaredcos_cap_v2", prediction_type="sample", clip_sample=False, **options)


def random(seed: int) -> torch.Tensor:
    return torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_noise_matches_diffusers():
    clean = random(0)
    noise = random(1)
    times = torch.tensor([0, 3, 50, 99])
    expected = reference("DDPMScheduler").add_noise(clean, noise, times)
    torch.testing.assert_close(cosine_schedule(STEPS).add_noise(clean, noise, times), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("times", [EVERY_TIME, EVERY_FIFTH_TIME])
@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_reverse_steps_are_ddim(times: list[int], eta: float):
    schedule = cosine_schedule(STEPS)
    scheduler = reference("DDIMScheduler")
    scheduler.set_timesteps(len(times))
    for time, next_time in pairwise(times):
        noisy = random(time)
        clean = random(time + 1000)
        noise = random(time + 2000)
        expected = scheduler.step(clean, time, noisy, eta=eta, variance_noise=noise).prev_sample
        actual = schedule.reverse_step(noisy, clean, noise, time, next_time, eta)
        torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-4)


def test_snr_factor_scales_snr():
    def snr(alpha_bars):
        return alpha_bars / (1 - alpha_bars)

    plain = cosine_schedule(STEPS)
    shifted = cosine_schedule(STEPS, snr_factor=0.03)
    torch.testing.assert_close(snr(shifted.alpha_bars), 0.03 * snr(plain.alpha_bars))


def test_even_times_span_the_schedule():
    schedule = cosine_schedule(STEPS)
    assert schedule.even_times(STEPS) == EVERY_TIME
    times = schedule.even_times(20)
    assert (len(times), times[0], times[-1]) == (20, STEPS - 1, 0)
    assert schedule.even_times(4, last=40)[-1] == 40


@pytest.mark.parametrize("levels", [1, 2, 3, 5, 20, 100, 1000])
@pytest.mark.parametrize("snr_factor", [1.0, 0.03])
def test_log_snr_times_are_even(levels: int, snr_factor: float):
    schedule = cosine_schedule(levels, snr_factor)
    for count in {1, min(levels, 3), min(levels, 20), levels}:
        for last in {0, (levels - count) // 2}:
            times = schedule.log_snr_times(count, last)
            assert len(times) == count
            assert all(time > next_time for time, next_time in pairwise(times))
            assert times[-1] == last or count == 1
            assert times[-1] >= 0
            assert times[0] < levels
    if levels == 1000:
        strides = schedule.log_snr[schedule.log_snr_times(10)].diff()
        assert strides.max() < 1.2 * strides.min()


@pytest.mark.parametrize(("eta", "algorithm"), [(0.0, "dpmsolver++"), (1.0, "sde-dpmsolver++")])
def test_second_order_is_dpm_solver(eta: float, algorithm: str):
    """Second-order steps are those of diffusers.

    The last time is left out, on which diffusers goes on to a noise of 0.
    """
    schedule = cosine_schedule(STEPS)
    options = {"solver_order": 2, "algorithm_type": algorithm, "solver_type": "midpoint", "lower_order_final": False}
    scheduler = solver_reference(**options)
    times = schedule.log_snr_times(12)
    scheduler.set_timesteps(timesteps=times)
    noises = [random(time + 2000) for time in times]

    def predict(noisy: torch.Tensor, time: int, rows: slice = slice(0)) -> torch.Tensor:
        return 0.7 * noisy.tanh() + 0.001 * time

    drawn = iter(noises)
    start = random(1)
    actual = schedule.reverse(start, times, predict, lambda: next(drawn), order=2, eta=eta)
    expected = start
    for time, noise in zip(times[:-1], noises, strict=False):
        expected = scheduler.step(predict(expected, time), time, expected, variance_noise=noise).prev_sample
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-3)


def solver_reference(**options):
    import diffusers

    return diffusers.DPMSolverMultistepScheduler(
        STEPS, beta_schedule="squaredcos_cap_v2", prediction_type="sample", **options
    )


def exact_flow(schedule, times, order: int, variance: float) -> float:
    """Return the flow's error between two times.

    The flow is that of N(0, v), whose exact factor is a ratio of deviations.
    """

    def deviation(time: int) -> float:
        alpha_bar = float(schedule.alpha_bars[time])
        return (variance * alpha_bar + 1 - alpha_bar) ** 0.5

    def predict(noisy: torch.Tensor, time: int, rows: slice) -> torch.Tensor:
        return variance * float(schedule.alpha_bars[time]) ** 0.5 / deviation(time) ** 2 * noisy

    start = torch.ones(1, dtype=torch.float64)
    end = schedule.reverse(start, times, predict, lambda: start, order=order)
    return abs(float(end) * deviation(times[0]) / deviation(times[-1]) - 1)


@pytest.mark.parametrize("variance", [1.0, 0.1])
def test_error_order_of_solvers(variance: float):
    schedule = cosine_schedule(4000)
    ratios = {}
    for order in (1, 2):
        coarse = exact_flow(schedule, schedule.log_snr_times(30), order, variance)
        ratios[order] = coarse / exact_flow(schedule, schedule.log_snr_times(60), order, variance)
    assert ratios[1] == pytest.approx(2, rel=0.15)
    assert ratios[2] == pytest.approx(4, rel=0.2)
