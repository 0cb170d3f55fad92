"""The report of the motion experiment."""
