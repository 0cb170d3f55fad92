"""Parts of the motion experiment for loops in Python: pilots, notebooks, and arms that no option describes."""

from collections.abc import Mapping
from dataclasses import replace

from selfcorrect.core.errors import SettingError
from selfcorrect.core.randomness import streams
from selfcorrect.loop.correctors.contract import Corrector
from selfcorrect.loop.models.diffusion.presets import preset_names
from selfcorrect.loop.models.protocol import GenerativeModel
from selfcorrect.runtime.progress import silent
from selfcorrect.runtime.registry import describe_unknown

from .correctors.own import CorrectorInputs, build_corrector
from .presets import PRESETS, select_settings
from .settings import MotionSettings
from .task import MotionTask, Sharing, make_motion_task


def motion_task(
    seed: int = 0,
    denoiser: str = "small-dct-mlp",
    preset: str = "short",
    settings: Mapping[str, object] | None = None,
    device: str = "cpu",
) -> MotionTask:
    """Make the task of a motion experiment: real windows, an untrained network and the evaluation of a seed.

    A loop that `selfcorrect.run_loop` runs with the task and the stream `selfcorrect.streams(seed)` has the same bytes
    as the arm of `selfcorrect motion` with the same settings.

    Args:
        seed: Seed, which selects the windows.
        denoiser: Network, as in `--denoiser`.
        preset: Preset of `selfcorrect motion` that all other settings come from.
        settings: Settings to change, named as the options, e.g. {"real_count": 64, "learning_rate": 1e-3}.
        device: Device of the network, as in `--device`.

    Returns:
        The task. `task.real` and `task.fresh` are real windows, `task.codec` encodes and decodes motions, and
        `task.initial_steps` is the number of steps of generation 0.

    Raises:
        SettingError: A name is unknown or a setting is out of bounds.
        InputError: The data have too few windows.
    """
    if preset not in PRESETS:
        raise SettingError(describe_unknown("preset", preset, [*PRESETS]))
    if denoiser not in preset_names():
        raise SettingError(describe_unknown("denoiser", denoiser, preset_names()))
    known = [name for name in vars(select_settings(preset)) if name not in ("arms", "first_seed", "seeds")]
    changes = dict(settings or {})
    for name in changes:
        if name not in known:
            raise SettingError(describe_unknown("setting", name, known))
    for name in ("steps", "initial_steps"):
        if isinstance(changes.get(name), int):
            changes[name] = {denoiser: changes[name]}
    base = select_settings(preset)
    arms = next(iter(base.arms.values()))
    complete = replace(base, **{"arms": {denoiser: arms}, "first_seed": seed, **changes})  # type: ignore[arg-type]
    return make_motion_task(complete, denoiser, streams(seed), Sharing(device))


def motion_corrector(
    name: str,
    task: MotionTask,
    first_model: GenerativeModel | None = None,
    seed: int = 0,
    engine: str = MotionSettings.engine,
    simulation: str = MotionSettings.simulation,
) -> Corrector | None:
    """Make a corrector of a motion task, such as "physics", "projection" or "FILE.py:function".

    Args:
        name: Corrector, as in `--corrector`; "none" makes None.
        task: The task of `motion_task`.
        first_model: Trained model of generation 0, which some correctors draw from.
        seed: Seed of the task.
        engine: Physics engine.
        simulation: Simulation of `physics`, "fast" or "fine".
    """
    inputs = CorrectorInputs(
        task.codec,
        task.real,
        first_model or task.model,
        streams(seed).child("corrector"),
        silent,
        engine=engine,
        simulation=simulation,
    )
    return build_corrector(name, inputs)
