"""Jobs in processes and on clusters, and what shows their progress."""
