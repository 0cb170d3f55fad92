"""Physics engines behind a common interface.

- Interface: `world` (`World`, `RootState`; `Reference` with the splines that joints follow).
- Frame: `simulator_frame` (y up to z up, small rotations).
- Engines: `pybullet_world` (`PyBulletWorld`), `mujoco_world` (`MuJoCoWorld`).
- Supports: `support_colliders` (`SupportColliders`: slabs that appear and vanish, holds that hands grip).

The table of engines is `settings.engine_table`. Another package adds a `World` through an entry point in the group
"selfcorrect.engines".
"""
