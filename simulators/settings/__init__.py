"""How motions are planned, tracked and judged, and how hard the humanoid is driven."""
