"""Experiments: presets, reports and command line."""
