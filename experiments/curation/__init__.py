"""Choices of people between samples, which loops use."""
