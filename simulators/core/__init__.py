"""The core: what every motion passes before it is planned or simulated.

- Long motions: `pieces`. What views read of settings: `settings`.
- State between two steps, and their protocol: `cleaning` (`CleanupState`, `CleanupStep`).
- Noise: `noise` (`Denoise`), `stretches` (`RepairStretches`).
- Floor: `drift` (`StabilizeFloor`, with `drift_estimate` and `drift_evidence`), `levelling` (`LevelFloor`,
  `FitSoles`).
- Feet: `stance` (when feet stand), `planting` (`PlantFeet`, with `soft_planting` or `frame_planting`; `foot_rotations`
  turn feet, `solid_feet` measure their heights, and `planting_gain` decides what is kept), `lifting` (`LiftLimbs`,
  `LiftTrunk`).

Special cases are in `hypotheses`.
"""
