"""Graph builders: which nodes of a graph are joined by edges."""
