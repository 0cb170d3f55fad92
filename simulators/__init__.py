"""Physics: a simulated humanoid and the correctors around it.

The humanoid follows a motion. Correct motions: `corrector` (`PhysicsCorrector`, `KinematicCorrector`,
`correct_samples`, `correct_through_views`), `presets` (`FILES`, `SAMPLES`, `RESIDUAL_FREE_PRESET`, `find_preset`).
Views of each motion, in order before and in reverse after: `view_table`, with a module in `views` for each, and
`choose`. Batches of what they show: `batching`. What comes out: `results`. Stages of a batch, in the order of
`pipeline.correct_batches`: `cleanup` (kinematic repairs), `planning` with `contacts` (contact forces, dynamics filter),
`tracking` (the simulation), `postprocess` (blend of plan and simulation), `compare` (verdict and figures). Values that
pass between them: `stages`. Settings: `settings`. Simulated world: `engines` (PyBullet, MuJoCo), `body` (the humanoid),
`stages.scene` (pushes, slopes, loads). Contacts that people edit: `contact_holding`, `foot_contacts`. Evaluation of
samples: `feasibility`.
"""
