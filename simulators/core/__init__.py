"""The core: what every motion passes before it is planned or simulated.

- Long motions: `pieces`. What views read of settings: `settings`.
- State between two steps, and their protocol: `cleaning` (`CleanupState`, `CleanupStep`).
- Noise: `curve_faults` (frames in which a curve is elsewhere), `noise` (`Denoise`, with
  `stretches` of shaking parts).
- Floor: `drift` (`StabilizeFloor`, with `drift_estimate` and `drift_evidence`), `levelling` (`LevelFloor`,
  `FitSoles`).
- Feet: `stance` (when feet stand), `planting` (`PlantFeet`, with `contact_solve` or `frame_planting`; `foot_rotations`
  turn feet, and `solid_feet` measure their heights), `lifting` (`LiftLimbs`,
  `LiftTrunk`).

Special cases are in `hypotheses`.
"""
