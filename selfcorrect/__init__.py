"""Self-correcting self-consuming loops for generative models."""
