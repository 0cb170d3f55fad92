"""A diffusion model for motion: schedule, denoisers, training and sampling."""
