"""The simulated body: its shape, dynamics, contacts and legs.

- Body: `humanoid` (`Humanoid`, `build_humanoid`: masses, inertia, collision shapes, torque limits).
- Dynamics: `dynamics` (`Demand`, `compute_joint_torques`: inverse dynamics).
- Contacts: `contact_points` (the ground beneath points, and what a support carries), `contact_forces`
  (`solve_contact_forces`: forces within friction cones).
- Soles: `soles` (their velocities, and their thickness fitted to a motion).
- Legs: `leg_ik` (`Legs`, `solve_leg_ik`: analytic inverse kinematics), `soft_legs` (`solve_soft_legs`: inverse
  kinematics with smooth knee bends).
"""
