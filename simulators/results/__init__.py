"""Results: corrected motions, timelines, notes and views.

Views lead back to a motion.
"""
