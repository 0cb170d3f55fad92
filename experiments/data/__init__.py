"""Functions behind `selfcorrect data`."""
