"""One engine for experiments with loops: tasks × arms × seeds, in parallel, resumed where they stand, with a report."""
