"""Physics-based correction of motion with a simulated humanoid.

Kinematic repairs come first. Then contact forces are planned, and a simulated humanoid tracks the plan.

- Correct motions: `corrector` (`PhysicsCorrector`, `KinematicCorrector`, `correct_samples`, `correct_through_views`),
  `presets` (`FILES`, `SAMPLES`, `RESIDUAL_FREE_PRESET`, `find_preset`).
- What every motion passes: `core`, in the order of `clean`. Special cases, one module each: `hypotheses`.
- Views of a motion, applied in order before the correction and undone in reverse after it: `view_table`, `world` and
  `choose`.
- Batches of the viewed motions: `batching`. Results: `results`.
- Stages of a batch, in the order of `pipeline.correct_batches`: `clean` (kinematic repairs), `planning` (contact
  forces, dynamics filter, contacts that users edit), `tracking` (simulation), `postprocess` (blend of plan and
  simulation), `compare` (verdict). `stages` has the values that pass between them. `feasibility` measures forces beyond
  floor and muscles.
- Settings: `settings`.
- Simulated world: `engines` (PyBullet, MuJoCo), `body` (the humanoid), `stages.scene` (pushes, slopes, loads).
"""
