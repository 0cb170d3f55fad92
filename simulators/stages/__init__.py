"""The values that pass from stage to stage of a correction, and the scene in which it happens."""
