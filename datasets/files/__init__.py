"""Motion files, one format each."""
