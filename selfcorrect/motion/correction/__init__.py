"""Common parts of corrections of motions, whatever corrects them: results, segments, supports, timelines."""
