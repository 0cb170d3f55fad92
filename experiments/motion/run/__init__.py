"""The run of the motion experiment: data, seeds, generations."""
