"""Contact forces that carry a body, and the forces that its motion demands."""
