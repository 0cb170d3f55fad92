"""Readers that use native code and therefore run in a child process."""
