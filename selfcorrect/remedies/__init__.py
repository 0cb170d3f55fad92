"""Remedies against the loss of diversity, as sampling biases.

`matching` gives each parent one child. `selection` keeps some of several candidates. `spectrum` restores energy at high
frequencies. `inside_sampler` corrects a diffusion model's predictions while it draws.
"""
