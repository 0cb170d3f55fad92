"""The self-consuming loop.

`run` has the loop itself with `Task`, `Arm` and `Candidate`. `policy` chooses training data, `bias` tilts sampling,
`fitting` trains. `observers` check and annotate what the phases produce: `trial` tries code of users, `ancestry` traces
samples to their founders. `policy_table` lists policies by name.
"""
