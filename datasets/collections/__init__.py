"""Published collections of motions in the layout of the distribution, a file each."""
