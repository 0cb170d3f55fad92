"""The self-consuming loop.

`run` has the loop itself with `Task`, `Arm` and `Candidate`. `policy` chooses training data, `bias` tilts sampling,
`fitting` trains. `trial` tries code of users and guards data from it, `ancestry` traces samples to their founders.
`policy_table` lists policies by name. Folders: `correctors`, `models`, `remedies`, and `store` with the run folders.
"""
