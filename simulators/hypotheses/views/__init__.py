"""Special cases that show the core another motion, in a file each.

A `Hypothesis` in a file is a row of the table of special cases. Another package names the function that makes the view
in the group "selfcorrect.hypotheses". Nothing imports these files by name, so a deleted file is a deleted special case.
"""
