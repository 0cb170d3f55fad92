"""Motion files, published collections and toy data: everything that loops and commands read."""
