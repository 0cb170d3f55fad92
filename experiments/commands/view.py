"""`selfcorrect view`: motions side by side, in the browser or as a picture or film."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from selfcorrect.datasets.files.formats import readable_suffixes
from selfcorrect.errors import SettingError
from selfcorrect.experiments.commands.inputs import must_be_readable, must_exist

if TYPE_CHECKING:
    import numpy as np

    from selfcorrect.motion.motion import Motion


_READABLE = f"Motion files: {', '.join(readable_suffixes())}."


@dataclass(frozen=True)
class ViewCommand:
    """Show motion files side by side, e.g. an original and its correction: in the browser, or as a picture or film."""

    files: Annotated[tyro.conf.Positional[tuple[Path, ...]], tyro.conf.arg(help=_READABLE)]
    out: Path | None = None
    """Draw to this .png (a row of moments per motion), .gif or .mp4 instead of opening the viewer."""
    port: int = 8080
    """Where the browser finds the viewer: http://localhost:8080."""
    spread_m: float = 1.2
    """Distance between motions, metres; 0 lays them over one another."""
    body_model: Path | None = None
    """A SMPL, SMPL+H or SMPL-X file: shows its mesh in place of bones."""
    allow_pickle: bool = False
    """Read a body model from a .pkl file, whose source you trust."""

    def run(self) -> None:
        """Draw, or serve until interrupted."""
        if not self.files:
            raise SettingError("there is nothing to view: name at least one motion file")
        must_be_readable(self.files)
        must_exist([self.body_model])
        from selfcorrect.datasets.files.open import open_motion
        from selfcorrect.motion.pictures.drawing import draw_motions
        from selfcorrect.motion.transforms import resample

        opened = [open_motion(path, any_body=True).motions for path in self.files]
        motions = [motion for shown in opened for motion in shown]
        motions = [resample(motion, motions[0].fps) for motion in motions]
        titles = [path.stem for path, shown in zip(self.files, opened, strict=True) for _ in shown]
        if self.out is not None:
            draw_motions(self.out, motions, titles)
            print(self.out)
            return
        from selfcorrect.motion.pictures.viewer import Viewer

        viewer = Viewer(motions, titles, spread_m=self.spread_m, port=self.port, meshes=self._meshes(motions))
        print(f"http://localhost:{viewer.server.get_port()} (Ctrl-C ends)")
        viewer.run()

    def _meshes(self, motions: Sequence[Motion]) -> list[tuple[np.ndarray, np.ndarray]]:
        if self.body_model is None:
            return []
        from selfcorrect.motion.body.body_model import load_body_model, vertices
        from selfcorrect.motion.body.smpl import to_smpl

        model = load_body_model(self.body_model, allow_pickle=self.allow_pickle)
        return [(vertices(model, to_smpl(motion, model.layout)), model.faces) for motion in motions]
