"""Work on the machines of a cluster: tasks that a command sends, and processes that SLURM starts together."""
