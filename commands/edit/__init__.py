"""`selfcorrect edit`: change contacts by eye in the browser, and correct again."""
