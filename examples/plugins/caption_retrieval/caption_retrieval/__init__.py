"""Captions as labels of motions, and their retrieval by motions, for `selfcorrect motion --preset text`."""
