"""Correctors: built in and of users.

They serve the motion experiment.
"""
