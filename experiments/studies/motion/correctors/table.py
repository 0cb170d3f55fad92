"""The table of correctors by name, imported when used; other packages can add some."""

from dataclasses import dataclass

from selfcorrect.core.errors import SettingError
from selfcorrect.runtime.registry import Registry, Row

THEN = "+"
"""Between the names of built-in correctors that work in a row."""
UNKNOWN = "not known (custom corrector)"
_BUILT = "selfcorrect.experiments.studies.motion.correctors.builtin"


@dataclass(frozen=True)
class CorrectorRow(Row):
    """A corrector."""

    knows: str = UNKNOWN
    """Knowledge about the true distribution beyond the training data."""
    control: bool = False
    """True for a control."""
    seconds: float = 0.0
    """Processor time per sample of 48 frames, in s, as measured on one core with PyBullet's fast simulation; 0 where it
    is not known."""
    residual_free: bool = False
    """True if no root force supports the bodies. This needs an engine with compliant joints. Rejected samples are
    dropped and not drawn again, because for some labels no draw is ever accepted."""


CORRECTORS = Registry(
    "corrector",
    [
        CorrectorRow("none", f"{_BUILT}:none", "No correction.", knows="none"),
        CorrectorRow(
            "kinematic",
            f"{_BUILT}:kinematic",
            "Rules about feet and floor, without a simulation.",
            knows="none: rules about feet and floor",
            seconds=0.01,
        ),
        CorrectorRow(
            "clean-up",
            f"{_BUILT}:clean_up",
            "As `correct --kinematic` on a file: finds the floor, soles and supports of each sample.",
            knows="none: rules about feet and floor",
            control=True,
            seconds=0.02,
        ),
        CorrectorRow(
            "physics",
            f"{_BUILT}:physics",
            "Tracks the motion with a simulated body.",
            knows="none: mechanics and body tables",
            seconds=0.03,
        ),
        CorrectorRow(
            "projection",
            f"{_BUILT}:project",
            "Moves each sample as little as possible until it neither sinks nor slides.",
            knows="none: feet, floor and the scale of the features",
            seconds=0.03,
        ),
        CorrectorRow(
            "force-projection",
            f"{_BUILT}:project_with_forces",
            "As projection, and until contacts with the floor can carry it as well as they can carry training windows.",
            knows="mechanics, and the forces that contacts cannot explain in training windows",
            seconds=0.13,
        ),
        CorrectorRow(
            "residual-free",
            f"{_BUILT}:residual_free",
            "Physics without root force: muscles and contacts alone. Samples that fall are dropped.",
            knows="none: mechanics and body tables",
            residual_free=True,
        ),
        CorrectorRow(
            "residual-free-fallback",
            f"{_BUILT}:residual_free_fallback",
            "The same, but samples that fall get the smallest root force that helps.",
            knows="none: mechanics and body tables",
            residual_free=True,
        ),
        CorrectorRow(
            "residual-free-verifier",
            f"{_BUILT}:residual_free_verifier",
            "Leaves samples unchanged that a body can follow without root force, and drops all others.",
            knows="none: mechanics and body tables",
            residual_free=True,
        ),
        CorrectorRow(
            "anchored",
            f"{_BUILT}:anchor_to_samples",
            "Pulls samples towards centroids of generation-0 samples, then physics.",
            knows="generation-0 samples (frozen centroids)",
        ),
        CorrectorRow(
            "anchored-real",
            f"{_BUILT}:anchor_to_windows",
            "Pulls samples towards centroids of real windows, then physics.",
            knows="centroids of the real training data",
        ),
        CorrectorRow(
            "centroids-only",
            f"{_BUILT}:centroids_only",
            "Control: the centroids of generation-0 samples themselves.",
            knows="generation-0 samples (only the centroids)",
            control=True,
        ),
        CorrectorRow(
            "centroids-only-real",
            f"{_BUILT}:centroids_only_real",
            "Control: the centroids of real windows themselves.",
            knows="centroids of the real training data (only the centroids)",
            control=True,
        ),
        CorrectorRow(
            "random-perturbation",
            f"{_BUILT}:perturb_like_physics",
            "Control: moves samples as far as physics, in random directions.",
            knows="none: moves samples as far as physics, at random",
            control=True,
        ),
        CorrectorRow(
            "filter",
            f"{_BUILT}:reject_like_physics",
            "Control: rejects the samples that physics rejects, and changes none.",
            knows="none: rejects what physics rejects",
            control=True,
        ),
        CorrectorRow(
            "random-verifier",
            f"{_BUILT}:random_verifier",
            "Control: drops as many samples as fall without root force, at random, and changes none.",
            knows="none: how many generation-0 samples fall",
            control=True,
            residual_free=True,
        ),
        CorrectorRow(
            "re-encoded",
            f"{_BUILT}:re_encoded",
            "Control: decodes and encodes each sample, and changes nothing.",
            knows="none",
            control=True,
            seconds=0.0002,
        ),
        CorrectorRow(
            "floor",
            f"{_BUILT}:floor",
            "Control: puts the lowest point of each window on the floor, and changes nothing else.",
            knows="none: the height of the floor",
            control=True,
            seconds=0.0002,
        ),
        CorrectorRow(
            "ground",
            f"{_BUILT}:ground",
            "Control: puts the ground that standing feet show on the floor. ground+kinematic is clean-up that finds "
            "its floor.",
            knows="none: the height of the floor",
            control=True,
            seconds=0.004,
        ),
        CorrectorRow(
            "low-pass",
            f"{_BUILT}:low_pass",
            "Control: a low-pass filter that makes samples as smooth as physics does.",
            knows="none: the cut-off that physics' jerk asks for",
            control=True,
            seconds=0.0007,
        ),
        CorrectorRow(
            "sunk",
            f"{_BUILT}:sunk",
            "Damage on purpose: sinks each sample by 2 cm. sunk+physics corrects the damaged samples.",
            knows="none",
            control=True,
            seconds=0.0002,
        ),
        CorrectorRow(
            "sliding",
            f"{_BUILT}:sliding",
            "Damage on purpose: lets each body glide at 0.1 m/s in a random direction.",
            knows="none",
            control=True,
            seconds=0.0002,
        ),
        CorrectorRow(
            "jittery",
            f"{_BUILT}:jittery",
            "Damage on purpose: adds noise of 5 mm to the root in each frame.",
            knows="none",
            control=True,
            seconds=0.0002,
        ),
        CorrectorRow(
            "uneven",
            f"{_BUILT}:uneven",
            "Damage on purpose: raises or sinks each sample by its own height, with a standard deviation of 5 cm.",
            knows="none",
            control=True,
            seconds=0.0002,
        ),
    ],
    group="selfcorrect.correctors",
    row_type=CorrectorRow,
    also="package.module:function",
)
"""Each leads to a function as `correctors.build_corrector` describes."""


def stages(name: str) -> list[str]:
    """Split a name into its correctors, in order: "low-pass+physics" are two."""
    return name.split(THEN)


def corrector_row(name: str) -> CorrectorRow:
    """Return the row of a built-in corrector, joined from the rows of its stages if there are several.

    Raises:
        SettingError: The corrector is not built in.
    """
    stage_names = stages(name)
    if len(stage_names) == 1:
        return CORRECTORS.row(stage_names[0])
    for stage in stage_names:
        if stage == "none" or ":" in stage or (stage in CORRECTORS.names and is_own(stage)):
            raise SettingError(
                f"each stage of corrector {name!r} must be a built-in corrector, got {stage!r}; "
                "a corrector of yours can call other correctors itself (selfcorrect.chain)"
            )
    rows = [CORRECTORS.row(stage) for stage in stage_names]
    summary = ", then ".join(row.name for row in rows)
    knows = "; ".join(dict.fromkeys(row.knows for row in rows))
    return CorrectorRow(
        name,
        rows[0].reference,
        summary,
        knows=knows,
        control=all(row.control for row in rows),
        seconds=sum(row.seconds for row in rows) if all(row.seconds for row in rows) else 0.0,
        residual_free=any(row.residual_free for row in rows),
    )


def is_own(name: str) -> bool:
    """Return True for a user's or another package's corrector."""
    return ":" in name or any(CORRECTORS.is_added(stage) for stage in stages(name))
