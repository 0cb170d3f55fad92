"""Edits of motions: moved, turned, mirrored, resampled, looped."""
