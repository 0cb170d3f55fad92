"""A diffusion model for motion.

It has a schedule, denoisers, training and sampling.
"""
