"""Built-in and user correctors.

They serve the motion experiment.
"""
