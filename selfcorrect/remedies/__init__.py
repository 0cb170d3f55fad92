"""Remedies against the loss of diversity, as sampling biases.

`matching` gives each parent a single child. `spectrum` restores energy at high frequencies. `inside_sampler` corrects a
diffusion model's predictions while it draws.
"""
