"""Mending by kinematics what the simulation should not have to fight."""
