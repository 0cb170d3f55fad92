"""What must carry a motion: supports, contact forces, and motion changed until contacts can explain it."""
