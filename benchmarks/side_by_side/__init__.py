"""Planners by sampling, side by side: the same body, reference and number of simulated steps, no root force."""
