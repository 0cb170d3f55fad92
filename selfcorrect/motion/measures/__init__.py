"""What is measured on motions: plausibility, contacts, distances between sets."""
