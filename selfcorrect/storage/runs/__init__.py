"""Run folders: what a loop leaves behind, how it resumes, how it is logged."""
