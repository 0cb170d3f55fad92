"""Correct motion files.

In the order in which `selfcorrect correct` uses them: `command` and `options`; `batch`, which lists the files and their
outputs; `correct_file`, which reads, corrects, writes and records one file, with the edits of `controls` before and
after the correction; `describe`, `file_result` and `written_motion`, which report one file, and `report`, which reports
all. `in_python` corrects without the command line, and `demonstration` corrects the built-in clip of `selfcorrect
demo`.
"""
