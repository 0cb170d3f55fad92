"""Users' own models, data and correctors in loops: arms × seeds, in parallel, with a report."""
