"""Processes, supervision, memory and time.

Work: `processes` (`map_tasks`: a pool of workers), `progress`, `stopwatch`. User code: `identity` (`identity_of`:
whether a result comes from other code) with `user_code` and `user_modules`, `supervision` (`fence`: errors of other
code end nothing else), `global_generators`, `bugs` (whether an error is a bug here). Tables: `registry` (`Registry`:
members of a kind by name, including those of installed packages).
"""
