"""What kernels of several solvers share: vectors, random numbers, folded costs, lifted matchings, threads."""
