"""Users' own models, data and correctors as a study: `sc.compare`."""
