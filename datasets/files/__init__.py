"""Read and write motion files of all formats."""
