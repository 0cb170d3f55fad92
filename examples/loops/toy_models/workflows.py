"""Train by Kazdan et al.'s three workflows.

They come from "Collapse or Thrive?" (2025), with n real points and n samples per generation.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise

import selfcorrect as sc
from selfcorrect import claims

WORKFLOWS = {"replacing": "replace", "subsampling": "accumulate and subsample", "accumulating": "accumulate"}
"""Verb → name, in the order in which the paper ranks the workflows, worst first."""
REPLACE, SUBSAMPLE, ACCUMULATE = WORKFLOWS.values()


def name_arm(workflow: str, size: int) -> str:
    """Return a workflow's name with n = `size`."""
    return f"n = {size}, {workflow}"


def make_arms(size: int, generations: int) -> dict[str, sc.Arm]:
    """Return all workflows with n = `size`."""
    policies = {REPLACE: sc.Replace(), SUBSAMPLE: sc.AccumulateSubsample(budget=size), ACCUMULATE: sc.Accumulate(1.0)}
    return {name_arm(workflow, size): sc.Arm(policy, generations) for workflow, policy in policies.items()}


def claim_order(
    size: int, key: str, words: str, expect: Callable[[str, claims.Quantity], claims.Claim]
) -> Iterator[claims.Claim]:
    """Yield claims that each workflow beats the last.

    `expect` is called with the worse minus the better score.
    """
    for worse, better in pairwise(WORKFLOWS):
        arms = (name_arm(WORKFLOWS[worse], size), name_arm(WORKFLOWS[better], size))
        yield expect(f"n = {size}: {better} {words} than {worse}", claims.final_difference(*arms, key))
