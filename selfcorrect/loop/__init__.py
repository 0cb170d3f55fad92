"""The self-consuming loop.

`run` has the loop itself, with `Task`, `Arm` and `Candidate`. `policy` chooses training data, `bias` changes sampling,
and `fitting` trains. `trial` tries users' code and detects changes to the data, and `ancestry` traces samples to their
founders. `policy_table` lists policies by name. Folders: `correctors`, `models`, `remedies`, and `store` for run
folders.
"""
