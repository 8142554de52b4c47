"""Linear assignment: one function for any device, and its kernels."""
