"""Foundations of all other parts.

`samples` and `provenance`: the values of a loop and their origin. `randomness`: named random streams. `errors`: the
family of errors. `checks`: checks of arguments. `extras`: optional packages. `grouping`: groups of bounded size.
`field_docs`: descriptions of dataclass fields.
"""
