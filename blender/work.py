# SPDX-License-Identifier: GPL-3.0-or-later
"""Run operators in small steps, so that Blender's interface stays responsive and Esc cancels."""

from __future__ import annotations

import time

import bpy
from bpy.app.handlers import persistent

from . import program
from .exchange import ExchangeError
from .program import Failure, Steps

_PAUSE_S = 0.05
"""Time between two ticks of the timer, in s."""


class Running:
    """The running work, of at most one operator."""

    title = ""
    """Label of the operator; "" if no work is running."""
    share = 0.0
    """Finished share of the work."""
    stage = ""
    should_cancel = False
    steps: Steps | None = None

    @classmethod
    def start(cls, title: str, steps: Steps) -> None:
        """Take over the steps of an operator."""
        cls.title, cls.steps = title, steps
        cls.share = 0.0
        cls.stage = ""
        cls.should_cancel = False

    @classmethod
    def stop(cls) -> None:
        """Stop the work and its program, and remove temporary files."""
        steps, cls.steps = cls.steps, None
        cls.title = ""
        if steps is not None:
            steps.close()  # type: ignore[attr-defined]


@persistent
def stop_before_load(*_: object) -> None:
    """Stop the work before another file is loaded, which would replace the data that it uses."""
    Running.stop()


def scale_steps(steps: Steps, start: float, share: float) -> Steps:
    """Yield steps as a part of longer work. Returns their return value."""
    while True:
        try:
            share_done, stage = next(steps)
        except StopIteration as end:
            return end.value
        yield start + share * share_done, stage


class StepOperator:
    """An operator that works in steps.

    Steps run at once if a script calls the operator, and in the background if a user does.
    """

    finished: tuple[str, ...] = ()
    """Names of the objects that are finished, which stay so if the rest of the work is cancelled."""

    def create_steps(self, context: bpy.types.Context) -> Steps:
        """Return the work in steps, which end with the level and the sentence of its report."""
        raise NotImplementedError

    def execute(self, context: bpy.types.Context) -> set[str]:
        """Start the work, and finish it if a script calls."""
        if Running.title:
            self.report({"ERROR"}, f"{Running.title} is still under way")
            return {"CANCELLED"}
        self.finished = ()
        Running.start(self.bl_label, self.create_steps(context))
        self._steps = Running.steps
        self._timer = None
        if bpy.app.background or not self.options.is_invoke:
            while (state := self._advance(context)) is None:
                time.sleep(_PAUSE_S if Running.stage == program.WAITING else 0)
            return state
        self._timer = context.window_manager.event_timer_add(_PAUSE_S, window=context.window)
        context.window_manager.modal_handler_add(self)
        return {"RUNNING_MODAL"}

    def modal(self, context: bpy.types.Context, event: bpy.types.Event) -> set[str]:
        """Advance the work at ticks of the timer, and pass other events on to the interface."""
        if Running.steps is not self._steps:
            self._remove_timer(context)
            return {"CANCELLED"}
        if Running.should_cancel or (event.type == "ESC" and event.value == "PRESS"):
            self.cancel(context)
            kept = f"{', '.join(self.finished)} stay corrected" if self.finished else "nothing was changed"
            self.report({"WARNING"}, f"{self.bl_label} was cancelled; {kept}")
            return {"FINISHED"} if self.finished else {"CANCELLED"}  # a finished operator can be undone
        if event.type != "TIMER":
            return {"PASS_THROUGH"}
        deadline_s = time.monotonic() + _PAUSE_S / 2
        state = self._advance(context)
        while state is None and Running.stage != program.WAITING and time.monotonic() < deadline_s:
            state = self._advance(context)
        if state is not None:
            return state
        context.workspace.status_text_set(f"{Running.title}: {Running.stage}, {Running.share:.0%} (Esc cancels)")
        for area in context.screen.areas:
            area.tag_redraw()
        return {"PASS_THROUGH"}

    def cancel(self, context: bpy.types.Context) -> None:
        """Stop the work when Blender cancels it because the window closes or a file is opened."""
        if Running.steps is self._steps:
            Running.stop()
        self._remove_timer(context)

    def _advance(self, context: bpy.types.Context) -> set[str] | None:
        """Take one step. Returns the operator's final state, or None before the end."""
        try:
            Running.share, Running.stage = next(self._steps)
            return None
        except StopIteration as end:
            level, sentence = end.value
            self.report({level}, sentence)
            state = {"FINISHED"}
        except (Failure, ExchangeError, OSError) as error:
            self.report({"ERROR"}, str(error))
            state = {"CANCELLED"}
        except BaseException:
            self.cancel(context)
            raise
        self.cancel(context)
        return state

    def _remove_timer(self, context: bpy.types.Context) -> None:
        if self._timer is not None:
            context.window_manager.event_timer_remove(self._timer)
            context.workspace.status_text_set(None)
            self._timer = None
