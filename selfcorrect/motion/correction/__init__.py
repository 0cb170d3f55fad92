"""What correcting motions has in common, whatever corrects them: results, pieces, supports, timelines."""
