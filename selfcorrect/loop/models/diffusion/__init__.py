"""A diffusion model for motion: noise schedule, denoisers, training and sampling."""
