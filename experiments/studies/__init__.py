"""Studies of loops: tasks × arms × seeds, run in parallel, resumed after a stop, and reported.

Settings are `arms`, which `arm_words` describes and `loop_arms` turns into loops. `study` makes the jobs and `run` runs
them. Results are `arm_curves`, whose differences `effects` judges; `outcome` collects both, and `summary` keeps the
curves. Reports are `tables`, `figures` and a `page`, which `study_report` writes. The kinds of studies are `comparison`
(`sc.compare`), `motion` and `toy`.
"""
