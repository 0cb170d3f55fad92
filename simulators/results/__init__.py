"""Results of corrections, and views that lead back to a motion.

Results are corrected motions with timelines and notes.
"""
