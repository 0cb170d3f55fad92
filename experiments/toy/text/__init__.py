"""Toy loops of words and text."""
