"""Rules beyond the core, in a file each.

A `Rule` in a file is a row of the table of rules. Another package names the same object in the group
"selfcorrect.rules". Nothing imports these files by name, so a deleted file is a deleted rule.
"""
