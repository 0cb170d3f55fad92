"""Correctors of the motion experiment: of this package and of users."""
