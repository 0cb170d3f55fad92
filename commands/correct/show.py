"""Show motions and corrections side by side in the browser."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from selfcorrect.core.checks import check_kind
from selfcorrect.motion.motion import Motion
from selfcorrect.motion.pictures.panels import PicturePanel, make_panels
from selfcorrect.motion.pictures.player import FASTEST_FPS, PlayerPage, show_panels
from selfcorrect.motion.pictures.timeline import ContactTimeline, FrameErrors
from selfcorrect.simulators.planning.edited_contacts import Contacts, list_foot_parts
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
    panels = [_make_panel(motion) for motion in motions]
    return show_panels(panels, titles, _make_timeline(panels, titles))


def _make_timeline(panels: Sequence[PicturePanel], titles: Sequence[str]) -> ContactTimeline | None:
    """Return the contacts of the last motion, with slips and problems, or None without feet.

    A first motion with the same joints and frames is the motion before the correction.
    """
    if not panels:
        return None
    last = make_panels([panel.motion for panel in panels], titles or [""] * len(panels))[-1]
    errors = FrameErrors.from_motion(last.motion)
    if errors is None:
        return None
    before = None if last.before is None else FrameErrors.from_motion(last.before)
    contacts = asdict(Contacts.from_motion(last.motion, by_point=True))
    stem = Path(last.title).stem or "motion"
    rate = last.motion.fps / min(panels[0].motion.fps, FASTEST_FPS)
    lanes = list_foot_parts(last.motion.skeleton)
    return ContactTimeline.from_errors(errors, before, contacts, f"{stem}.contacts.json", rate, lanes)


def _make_panel(shown: Motion | CorrectedMotion) -> PicturePanel:
    if isinstance(shown, Motion):
        return PicturePanel(shown)
    timeline = shown.forces.timeline
    residual = None if timeline is None else timeline.residual_force_bodyweights
    return PicturePanel(shown.motion, supports=shown.contacts.supports, residual_bodyweights=residual)
