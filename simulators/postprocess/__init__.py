"""Post-processing: from plan and simulation to the corrected motion.

Steps in their order: `steps` (`POSTPROCESS`, `KINEMATIC_POSTPROCESS`). State between two steps, and their protocol:
`state` (`PostprocessState`, `PostprocessStep`). Simulation: `blending` (`BlendSimulation`). Roughness: `jerk_bounds`
(`JerkBounds`), `smoothing` (`SmoothFast`, `SmoothRough`). Back to the cleaned motion: `restoring` (`RestoreFeet`,
`RevertHighJerk`).
"""
