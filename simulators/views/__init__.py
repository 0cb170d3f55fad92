"""Views for the clean-up, and their way back.

A correction passes the way back.
"""
