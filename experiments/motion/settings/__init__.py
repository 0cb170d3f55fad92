"""Presets, arms and quantities of the motion experiment."""
