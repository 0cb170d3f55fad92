"""Jobs in processes and on clusters, and displays of progress."""
