"""One engine for experiments with loops: tasks × arms × seeds, in parallel, resumed after a stop, with a report."""
