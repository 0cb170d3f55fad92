"""What outlives a process: run folders, files that are there whole or not at all, files of others read safely."""
