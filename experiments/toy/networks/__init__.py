"""Toy loops of mixtures, planar data and digits."""
