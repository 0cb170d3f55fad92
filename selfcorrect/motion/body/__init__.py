"""Bodies around skeletons: flesh and soles, SMPL, body models, rest poses."""
