"""Tables and figures of the results of benchmarks: any number of benchmarks and encoders, compared honestly."""
