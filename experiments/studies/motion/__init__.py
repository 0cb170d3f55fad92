"""The motion experiment: arms, presets, tasks, outcome, report."""
