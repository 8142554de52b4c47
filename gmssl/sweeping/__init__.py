"""Many runs of one recipe: a grid of settings × seeds, each run in a process of its own, and runs side by side."""
