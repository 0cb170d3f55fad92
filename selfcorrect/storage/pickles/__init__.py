"""Pickles, joblib files and PyTorch's archives: read, and written back, without running anything in them."""
