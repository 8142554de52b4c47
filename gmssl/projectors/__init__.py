"""Projectors: heads between pooled features and node embeddings."""
