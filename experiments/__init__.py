"""Experiments, one file each, their presets, reports and command line."""
