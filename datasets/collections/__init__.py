"""Published collections of motions in the layout in which they are distributed, one file each."""
