"""`gmssl bench solvers`: time against quality, side by side."""
