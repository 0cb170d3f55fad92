"""The simulated body, and the geometry of its legs.

- Body: `humanoid` (`Humanoid`, `build_humanoid`: masses, inertia, collision shapes, torque limits).
- Soles: `soles` (their velocities, and their thickness fitted to a motion).
- Legs: `leg_ik` (`Legs`, `solve_leg_ik`: analytic inverse kinematics), `soft_legs` (`solve_soft_legs`: inverse
  kinematics with smooth knee bends).
- Mathematics: `frames` (y up to z up, small rotations), `curves` (splines, smooth steps).
"""
