"""Run jobs in processes and on clusters, with progress bars."""
