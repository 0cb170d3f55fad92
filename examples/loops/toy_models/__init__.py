"""Models and tasks that several of the loops beside this folder share."""
