"""Generative models, one file each, all with the contract of `protocol.GenerativeModel`."""
