"""Regularisers of embeddings."""
