"""Values that stages pass on, and the scene of a correction.

- Values: `values` (`CleanedMotions` after the clean-up, `MotionPlan` with its `ContactPlan` after planning,
  `SimulatedMotion` and `TrackingResult` after tracking).
- Changes: `changes` (`keep_changes`: changes of a step that are kept only where they help).
- Scene: `scene` (`Scene`: push, slope, friction, load, mass, gravity), `staging` (`adapt_body`, `adapt_settings`,
  `lean_bodies`, `place_on_slope`).
"""
