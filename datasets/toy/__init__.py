"""Toy data that need no download: draws from known distributions, digits and text."""
