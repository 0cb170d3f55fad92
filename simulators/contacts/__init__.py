"""Contact forces that explain the demand of a motion.

- Demand: `dynamics` (`Demand`, `compute_joint_torques`: inverse dynamics).
- Forces: `contact_plan` (`ContactPlan`: forces bounded by friction cones, and by height and speed of contact points).
"""
