"""Contacts: forces demanded and forces given.

The forces of the ground explain the demand of a motion best. Demand: `dynamics` (`Demand`, `compute_joint_torques`:
inverse dynamics). Forces: `contact_plan` (`ContactPlan`: bounded by friction cones and by height and speed of the
contact points).
"""
