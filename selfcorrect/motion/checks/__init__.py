"""Rules that find physically implausible motion: in which frames, at which joints, and by how much."""
