"""`sc.compare`: a study of the models, data and correctors of users."""
