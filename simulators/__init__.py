"""Physics: a simulated humanoid that tracks a motion, and the corrector made from it."""
