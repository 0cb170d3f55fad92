"""Figures, verdicts and web pages of any experiment."""
