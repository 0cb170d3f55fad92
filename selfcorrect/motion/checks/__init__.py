"""Rules that find physically implausible parts of a motion: in which frames, at which joints, and by how much."""
