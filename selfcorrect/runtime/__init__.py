"""Processes, their supervision, memory and time.

Work: `processes` (`map_tasks`: a pool of workers), `progress`, `stopwatch`.
Users' code: `supervision` (`forbid_exit`), `global_generators`, `bugs` (whose
fault an error is).
Tables: `registry` (`Registry`: members of a kind by name, also from installed packages).
"""
