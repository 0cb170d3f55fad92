"""Following a planned motion with a simulated body."""
