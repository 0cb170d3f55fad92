"""What theory says about a loop, and estimates of its quantities."""
