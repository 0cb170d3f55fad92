"""Interface of motion correctors, whatever corrects: results, notes, timelines, segments, and wrappers of functions."""
