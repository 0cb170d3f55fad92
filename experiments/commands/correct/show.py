"""Show motions and corrections side by side in the browser."""

from collections.abc import Sequence

from selfcorrect.core.checks import check_kind
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.panels import PicturePanel
from selfcorrect.motion.pictures.player import PlayerPage, show_panels
from selfcorrect.simulators.results.results import CorrectedMotion


def show(*motions: Motion | CorrectedMotion, titles: Sequence[str] = ()) -> PlayerPage:
    """Show motions side by side on a page.

    A notebook displays the page, and its `html` can be written to a file. For corrections, the page also shows the
    residual force and the supports of the body.

    Raises:
        SettingError: There are no motions.
    """
    for motion in motions:
        check_kind("motion", motion, Motion, CorrectedMotion)
    return show_panels([_make_panel(motion) for motion in motions], titles)


def _make_panel(shown: Motion | CorrectedMotion) -> PicturePanel:
    if isinstance(shown, Motion):
        return PicturePanel(shown)
    residual = None if shown.timeline is None else shown.timeline.residual_force_bodyweights
    return PicturePanel(shown.motion, supports=shown.supports, residual_bodyweights=residual)
