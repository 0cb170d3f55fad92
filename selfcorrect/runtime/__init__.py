"""Processes, supervision, memory and time.

Work: `processes` (`map_tasks`: a pool of workers), `progress`, `stopwatch`.
Users' code: `identity` (`identity_of`: by what a result is known as finished), `supervision` (`fence`: calls that end
nothing else), `global_generators`, `bugs` (whose fault an error is).
Tables: `registry` (`Registry`: members of a kind by name, also from installed packages).
"""
