"""Words for arms in reports, tables and figures."""

from selfcorrect.loop.arm_name import format_title

from .arms import STATIC, ArmSettings, name_policy

POLICY_WORDS = {
    "real": ("real data only", "real data only, {} n drawn"),
    "replace": ("fully synthetic", "fully synthetic, {} n"),
    "freeze": ("fully synthetic", "fully synthetic, {} n"),
    "union": ("fully synthetic, all sets", "fully synthetic, last {} sets"),
    "renew": ("fully synthetic, renewed", "fully synthetic, {} renewed"),
    "augment": ("augment", "λ = {}"),
    "augment_once": ("augment_once", "λ = {}"),
    "accumulate": ("accumulate, λ = 1", "accumulate, λ = {}"),
}
"""Data policies in words, without a number and with {} for the policy's number."""
PLACE_WORDS = {
    "sampler": "in the sampler",
    "filter": "as a filter",
    "preference": "as a preference",
    "shuffled-preference": "as a shuffled preference",
}
"""Places of a corrector other than the training data, in words."""


def describe_arm(arm: ArmSettings) -> str:
    """Return the arm's title: its name, or its data policy and treatment."""
    treatment = describe_treatment(arm)
    return treatment if arm.is_baseline else ", ".join(filter(None, (describe_policy(arm), treatment)))


def describe_policy(arm: ArmSettings) -> str:
    """Describe the arm's data policy, which is the title of its group.

    Reports show the arms of one group together. Arms with names form one group without a title.
    """
    if arm.name:
        return ""
    numbers = arm.policy.split(":")[1:]
    if arm.kind not in POLICY_WORDS or len(numbers) > 1:
        return name_policy(arm.policy)
    without, with_number = POLICY_WORDS[arm.kind]
    return with_number.replace("{}", numbers[0]) if numbers else without


def describe_treatment(arm: ArmSettings) -> str:
    """Return the arm's title within its group: its name, or all but the data policy."""
    return arm.name or ("baseline (real data only)" if arm.is_baseline else _describe_changes(arm))


def describe_line(arm: ArmSettings) -> str:
    """Describe the line on which figures draw the arm by its synthetic share, "" if it lies on none."""
    kind, _, value = arm.policy.partition(":")
    return _describe_changes(arm) if kind == "augment" or (kind == "replace" and not value) else ""


def _describe_changes(arm: ArmSettings) -> str:
    names = [name for name in (arm.remedy, arm.corrector) if name != "none"]
    treatment = " + ".join(["static training set"] * (arm.kind in STATIC) + names) or "uncorrected"
    changes = arm.changes
    if arm.place != "data":
        changes["place"] = PLACE_WORDS.get(arm.place, arm.place)
    return format_title(treatment, changes)


def list_axes(arm: ArmSettings) -> dict[str, object]:
    """Return the arm's settings as flat fields, by the names that W&B and shared tables use."""
    changes = arm.changes
    return {
        "policy": arm.kind,
        "synthetic_ratio": arm.synthetic_ratio,
        "synthetic_share": arm.synthetic_share,
        "corrector": arm.corrector,
        "gamma": arm.strength if arm.corrector != "none" else 0.0,
        "operator": arm.operator,
        "correct_real": arm.correct_real,
        "remedy": arm.remedy,
        **{name: changes[name] for name in ("place", "steps") if name in changes},
        **{f"sampling.{name}": value for name, value in arm.sampling.items()},
    }
