"""Foundations, on which all other parts stand.

`samples` and `provenance`: the values of a loop and their origin. `randomness`: named random streams. `errors`: the
family of errors. `checks`: checks of arguments. `extras`: optional packages. `padding`: sequences of several lengths.
"""
