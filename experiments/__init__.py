"""The command line, studies of loops, and the jobs that they run."""
