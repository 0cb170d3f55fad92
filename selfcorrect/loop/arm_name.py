"""Names of arms and of their folders, without importing PyTorch."""

from collections.abc import Mapping

FORMS = {
    "correct_real": ("real-corrected", "real data corrected too"),
    "remedy": ("{}", ""),
    "place": ("in-{}", "{}"),
    "rejected": ("rejected-{}", "rejected samples: {}"),
    "from_scratch": ("from-scratch", "from scratch"),
    "steps": ("steps-{}", "{} steps"),
    "bias": ("{}", "{}"),
    "fitting": ("{}", "{}"),
    "mixture": ("strength-{:g}", "γ = {:g}"),
    "interpolation": ("interpolation-{:g}", "γ = {:g} of each sample"),
    "sampler": ("sampler-{}", "sampler {}"),
    "guidance": ("guidance-{:g}", "guidance {:g}"),
    "temperature": ("temperature-{:g}", "temperature {:g}"),
    "eta": ("eta-{:g}", "eta {:g}"),
    "sampling_steps": ("sampling-steps-{:g}", "sampling steps {:g}"),
}
"""Form of each setting in names and in titles, in the order of an arm's name; "" for none. The strength γ is listed
under its operator."""
LAST_IN_TITLES = ("bias", "fitting", "from_scratch", "correct_real")
"""Settings that come last in titles."""


def format_arm_name(policy: str, corrector: str, changes: Mapping[str, object]) -> str:
    """Return the name of an arm, such as "augment-0.5+my_corrector+strength-1".

    Args:
        changes: Values of settings, None for the usual value.
    """
    forms = [form.format(changes[name]) for name, (form, _) in FORMS.items() if changes.get(name) is not None]
    return "+".join([policy.replace(":", "-"), corrector, *forms])


def format_title(treatment: str, changes: Mapping[str, object]) -> str:
    """Return an arm's treatment with its changed settings, such as "physics, γ = 1"."""
    order = [*(name for name in FORMS if name not in LAST_IN_TITLES), *LAST_IN_TITLES]
    forms = [FORMS[name][1].format(changes[name]) for name in order if name in changes]
    return ", ".join([treatment, *filter(None, forms)])
