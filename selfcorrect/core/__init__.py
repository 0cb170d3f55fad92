"""What everything else stands on: samples, their provenance, random streams, errors, registries."""
