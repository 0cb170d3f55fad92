"""Tracking of planned motions by simulated bodies.

- Entry: `simulate` (`simulate_plans`, independent of heading).
- With residual force on the root: `tracker` (`track_motions`; `RootWrench`, `LegFeedback`).
- Without: `sampling_search` (`track_residual_free`; `Particles`, `Beam`), based on `whole_body_control`
  (`WholeBodyController`, which takes from the floor the wrench that balance needs).
- Both: `control_sequence` (`make_control_sequence`, `make_reference_trajectory`: targets, torques and goals of all
  steps, computed before the simulation).
"""
