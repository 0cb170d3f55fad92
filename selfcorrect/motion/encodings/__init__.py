"""Motions as tensors, and back."""
