"""The simulated body: a humanoid made from a skeleton, its soles, its legs, its frames."""
