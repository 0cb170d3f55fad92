"""Models that several of the loops beside this folder train."""
