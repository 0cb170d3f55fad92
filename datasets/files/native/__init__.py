"""Native readers, which run in a child process."""
