"""Jobs in processes and clusters, with progress."""
