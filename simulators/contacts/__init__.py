"""Which contacts carry a body: the supports that are there, and the forces that contacts must give."""
