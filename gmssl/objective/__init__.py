"""One training step: from encoded views to the loss of a matching problem."""
