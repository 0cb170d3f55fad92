"""Views of motions for the clean-up, each with the way back for a correction."""
