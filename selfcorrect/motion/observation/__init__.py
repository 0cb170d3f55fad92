"""One observation of a motion: the floor beneath it, and the frames in which its feet stand."""
