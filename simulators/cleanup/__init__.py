"""Kinematic clean-up before simulation.

Its steps repair errors that a simulation should not have to fight.

- Order of the steps, and settings: `clean` (`CleanupSettings`, `clean_motions`; `FILE_STEPS`, `SAMPLE_STEPS`).
- State between two steps, and their protocol: `cleaning` (`CleanupState`, `CleanupStep`).
- Noise: `noise` (`Denoise`), `stretches` (`RepairStretches`), `splices` (`JoinSplices`), `seams` (`JoinBlocks`),
  `knees` (`TurnKnees`).
- Floor: `drift` (`StabilizeFloor`, with `drift_estimate` and `drift_evidence`), `levelling` (`LevelFloor`,
  `FitSoles`), `settling` (`SettleBody`), `supports` (`FindSupports`).
- Feet: `stance` (when feet stand), `planting` (`PlantFeet`, with `soft_planting` or `frame_planting`; `foot_rotations`
  turn feet, `solid_feet` measure their heights, and `planting_gain` decides what is kept), `lifting` (`LiftLimbs`,
  `LiftTrunk`).
"""
