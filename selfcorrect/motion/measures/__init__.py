"""What is measured on motions: plausibility, contacts, suspicion, distances between sets."""
