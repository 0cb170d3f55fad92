"""Motions encoded as tensors, and decoded again."""
