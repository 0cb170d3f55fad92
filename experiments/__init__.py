"""Studies of loops, and the jobs that they run."""
