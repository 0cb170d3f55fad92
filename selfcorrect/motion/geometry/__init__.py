"""Mathematics on arrays: rotations, vectors, filters and curves over time."""
