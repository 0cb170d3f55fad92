"""Views that hide something of a motion from its correction, and the way back."""
