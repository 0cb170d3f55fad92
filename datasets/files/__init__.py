"""Motion files, a format each."""
