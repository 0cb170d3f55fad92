"""Edits of motions: transforms, mirror images, resampling, loops."""
