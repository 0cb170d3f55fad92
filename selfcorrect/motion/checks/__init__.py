"""What is physically implausible about a motion, rule by rule: which frames, which joints, how much."""
