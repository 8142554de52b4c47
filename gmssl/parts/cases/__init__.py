"""Cases of benchmarks: rows of a table, or files that belong together by their names."""
