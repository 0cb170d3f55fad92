"""One engine for experiments with loops.

Tasks × arms × seeds, in parallel, resumed after a stop, with a report.
"""
