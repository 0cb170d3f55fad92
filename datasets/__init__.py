"""Sources of data, a file each."""
