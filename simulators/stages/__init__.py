"""Values that pass between the stages of a correction, and the scene in which it happens.

Values: `values` (`CleanedMotions` after the clean-up, `MotionPlan` after planning, `SimulatedMotion` and
`TrackingResult` after tracking).
Scene: `scene` (`Scene`: push, slope, friction, load, mass, size, gravity), `staging` (`enter_scene`, `adapt_body`,
`adapt_settings`, `leave_scene`, `place_on_slope`).
"""
