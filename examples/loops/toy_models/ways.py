"""Train loops with and without remedies.

Each way is without a remedy, with either of two and with both.
"""

import selfcorrect as sc
from selfcorrect.loop.policy import Policy
from selfcorrect.loop.remedies.remedies import TaskArm

REMEDIES = ("none", "matched", "extrapolated", "lineages")
WAYS: dict[str, tuple[Policy, bool]] = {
    "fully synthetic": (sc.Replace(), False),
    "fully synthetic, trained anew": (sc.Replace(), True),
    "λ = 1": (sc.Augment(1.0), False),
    "accumulated": (sc.Accumulate(1.0), False),
}
"""Ways of training by name: the policy, and whether every generation starts from an untrained model."""


def make_arms(
    task: sc.Task, ways: tuple[str, ...], generations: int, steps: int, inputs: sc.RemedyInputs | None = None
) -> dict[str, TaskArm]:
    """Return all remedies' arms by way of training."""
    arms: dict[str, TaskArm] = {}
    for way in ways:
        arm = make_arm(way, generations, task.initial_steps, steps)
        for remedy in REMEDIES:
            arms[f"{way}, {remedy}"] = sc.with_remedy(task, arm, remedy, inputs)
    return arms


def make_arm(way: str, generations: int, initial_steps: int, steps: int) -> sc.Arm:
    """Return an arm by way of training.

    Training anew takes the steps of generation 0 every time.
    """
    policy, is_trained_anew = WAYS[way]
    return sc.Arm(policy, generations, initial_steps if is_trained_anew else steps, from_scratch=is_trained_anew)
