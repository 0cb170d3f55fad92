"""Studies of loops: tasks × arms × seeds, run in parallel, resumed after a stop, and reported."""
