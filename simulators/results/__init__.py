"""Results of a correction: corrected motions, their timelines and notes, and the views that lead back to a motion."""
