"""Remedies against the loss of diversity: matching, selection, spectra."""
