"""The command line: one module per subcommand, or a folder with its options in `command`."""
