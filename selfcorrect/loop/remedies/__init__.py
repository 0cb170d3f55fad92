"""Remedies against the loss of diversity, as sampling biases and changes of training.

`table` lists the remedies and the places of a corrector by name; `remedies` applies each to an arm. `matching` gives
each parent one child. `spectrum` restores energy at high frequencies. `inside_sampler` corrects a diffusion model's
predictions while it draws.
"""
