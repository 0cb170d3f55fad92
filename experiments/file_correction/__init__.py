"""Correct motion files.

Modules come in the order in which `selfcorrect correct` passes through them. Options: `options`. Files: `batch` (what
is to be done, and where). Correction: `correct_file` (read, correct, write, record), with `controls` (what
options change before and after it). Report: `describe`, `file_result`, `written_motion` (a file's result), `report`
(of all files). Other ways in: `in_python`, `correct_remote` (sets at addresses), `demo`.
"""
