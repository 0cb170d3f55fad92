"""Share models and tasks among example loops."""
