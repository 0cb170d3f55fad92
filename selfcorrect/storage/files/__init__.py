"""Files: written whole or not at all, locked, digested, bounded, and read without trust."""
