"""Contacts: the forces that a motion demands, and the forces of the ground that explain it best.

Demand: `dynamics` (`Demand`, `compute_joint_torques`: inverse dynamics). Forces: `contact_plan` (`ContactPlan`: bounded
by friction cones and by height and speed of the contact points).
"""
