"""Bodies around skeletons: surface and soles, SMPL, body models, rest poses."""
