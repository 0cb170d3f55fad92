"""What people prefer: choices between two samples, agreement of raters, strengths, and a reward on features."""
