"""`selfcorrect curate`: people compare samples in the browser, and loops use what they preferred."""
