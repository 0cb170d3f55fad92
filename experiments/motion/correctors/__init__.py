"""Correctors of the motion experiment: built-in ones and those of users."""
