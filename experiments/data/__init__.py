"""What `selfcorrect data` does with files and datasets."""
