"""Toy loops of Gaussians and linear models, whose theory is known."""
