"""Remedies against the loss of diversity.

They have names, and are sampling biases. `table` lists the remedies and the places of a corrector; `remedies` makes an
arm of each. `matching` gives each parent a single child. `spectrum` restores energy at high frequencies.
`inside_sampler` corrects a diffusion model's predictions while it draws.
"""
