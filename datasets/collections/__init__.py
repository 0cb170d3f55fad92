"""Published collections of motions in the layout in which they are distributed, a file each."""
