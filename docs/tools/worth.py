"""Compare corrected loops with uncorrected loops of more real samples: how many samples is a correction worth?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product

import numpy as np
from claims import SIZES, TITLES
from evidence import arms_by_name, average_late
from tables import table_lines

from selfcorrect.experiments.studies.results import ArmCurves
from selfcorrect.experiments.studies.summary import Summary
from selfcorrect.motion.measures.metrics import find_metric
from selfcorrect.statistics import mean_interval

JUDGED = ("fid_kinematic", "recall", "coverage")
"""Metrics of which less or more is better at any level: artefacts are better nearer to real motion."""
POLICIES = {"augment-1": "λ = 1", "replace": "fully synthetic"}
"""Data policy → words."""
CORRECTORS = ("physics", "low-pass")
NOTHING = "nothing"


def worth_table(summaries: Mapping[str, Summary]) -> Iterator[str]:
    """Lines of a table: by denoiser, policy, corrector and metric, what the corrected loop of each n is worth.

    Rows without any gain are left out.
    """
    columns = sorted({n for sizes in SIZES.values() for n in sizes})[:-1]
    rows = []
    for denoiser, sizes in SIZES.items():
        runs = {n: arms_by_name(summaries[name], denoiser) for n, name in sizes.items()}
        for (policy, words), corrector in product(POLICIES.items(), CORRECTORS):
            if any(f"{policy}+{corrector}" not in arms for arms in runs.values()):
                continue
            for key in JUDGED:
                corrected = {n: arms[f"{policy}+{corrector}"] for n, arms in runs.items()}
                plain = {n: arms[f"{policy}+none"] for n, arms in runs.items()}
                cells = [worth(n, corrected[n], plain, key) if n in runs else "" for n in columns]
                title = f"{TITLES[denoiser]}, {words}, {corrector}: {find_metric(key).title}"
                if set(cells) - {NOTHING, ""}:
                    rows.append([title, *cells])
    yield from table_lines(["", *(f"n = {n}" for n in columns)], rows)


def worth(n: int, corrected: ArmCurves, plain: Mapping[int, ArmCurves], key: str) -> str:
    """The greatest multiple of n, in words, up to which more real samples alone do not reach the corrected loop.

    plain: number of real samples → curves of the uncorrected loop. The corrected loop is ahead where the 95 % interval
    of its difference over seeds, over the later half of the generations, lies on the better side.
    """
    sign = 1 if find_metric(key).better == "higher" else -1
    more = [m for m in sorted(plain) if m >= n]
    ahead = [mean_interval(sign * (average_late(corrected, key) - average_late(plain[m], key))).low > 0 for m in more]
    beaten = int(np.argmin([*ahead, False]))
    if beaten == 0:
        return NOTHING
    return f"{more[beaten - 1] / n:g} ×" + (" or more" if beaten == len(more) else "")
