"""Readers in native code, which run in a child process."""
