"""A loop on conformers of molecules."""
