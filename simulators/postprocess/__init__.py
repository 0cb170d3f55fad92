"""Post-processing: from plan and simulation to the corrected motion.

- Steps in order: `steps` (`POSTPROCESS`, `KINEMATIC_POSTPROCESS`).
- State between two steps, and their protocol: `state` (`PostprocessState`, `PostprocessStep`).
- Simulation: `blending` (`BlendSimulation`).
- Roughness: `jerk_bounds` (`JerkBounds`), `smoothing` (`SmoothFast`, `SmoothRough`).
- Return to the cleaned motion: `restoring` (`RestoreFeet`, `RevertHighJerk`).
- Feet that slid far: `replanting` (`PlantSlidFeet`).
"""
