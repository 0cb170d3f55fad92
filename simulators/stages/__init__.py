"""Values between stages, and the scene.

A correction happens in the scene. Values: `values` (`CleanedMotions` after the clean-up, `MotionPlan` after planning,
`SimulatedMotion` and `TrackingResult` after tracking). Scene: `scene` (`Scene`: push, slope, friction, load, mass,
gravity), `staging` (`adapt_body`, `adapt_settings`, `lean_bodies`, `place_on_slope`). Take-backs: `changes`
(`keep_changes`, where and how far a step's change is kept).
"""
