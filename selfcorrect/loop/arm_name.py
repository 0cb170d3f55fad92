"""The name of an arm and of the arm's folder; nothing here imports PyTorch."""

from collections.abc import Mapping

NAME_FORMS = {
    "correct_real": "real-corrected",
    "remedy": "{}",
    "place": "in-{}",
    "from_scratch": "from-scratch",
    "bias": "{}",
    "fitting": "{}",
    "mixture": "strength-{:g}",
    "interpolation": "interpolation-{:g}",
    "sampler": "sampler-{}",
    "guidance": "guidance-{:g}",
    "temperature": "temperature-{:g}",
    "eta": "eta-{:g}",
    "sampling_steps": "sampling-steps-{:g}",
}
"""Setting → form in the name of an arm, in the order of the name; the strength γ by its operator."""


def format_changes(changes: Mapping[str, object], forms: Mapping[str, str]) -> list[str]:
    """Return the texts of settings that differ from the usual ones, in the order of the forms.

    Args:
        changes: Setting → value; None for a usual value.
        forms: Setting → form of the value; settings without a form are left out.
    """
    return [form.format(changes[name]) for name, form in forms.items() if changes.get(name) is not None]


def format_arm_name(policy: str, corrector: str, changes: Mapping[str, object]) -> str:
    """Return the name of an arm, e.g. "augment-0.5+my_corrector+strength-1"."""
    return "+".join([policy.replace(":", "-"), corrector, *format_changes(changes, NAME_FORMS)])
