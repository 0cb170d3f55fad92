"""Special cases: each module believes something about a motion, and says what the core should see instead."""
