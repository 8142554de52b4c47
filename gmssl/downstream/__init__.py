"""What an encoder is worth downstream: benchmarks as data, run for any encoder."""
