"""Time and quality of solvers, measured side by side: the work of `gmssl bench`."""
