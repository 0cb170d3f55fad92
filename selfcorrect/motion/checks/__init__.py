"""Rules that find physically implausible motion.

They tell in which frames, at which joints, and by how much.
"""
