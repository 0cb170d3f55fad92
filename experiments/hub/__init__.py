"""Loops of models in the layouts of Hugging Face on files that you bring."""
