"""The simulated body, and the geometry of its legs.

Body: `humanoid` (`Humanoid`, `build_humanoid`: masses, inertia, collision shapes, torque limits).
Soles: `soles` (fitted to a motion).
Legs: `leg_ik` (`Legs`, `solve_leg_ik`: analytic inverse kinematics), `soft_legs` (`solve_soft_legs`: knees that change
their bend slowly).
Mathematics: `frames` (y up to z up, small rotations), `curves` (splines, smooth steps).
"""
