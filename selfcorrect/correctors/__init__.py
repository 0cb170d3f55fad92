"""Correctors: their contract, their application with a strength, their identity, their own process."""
