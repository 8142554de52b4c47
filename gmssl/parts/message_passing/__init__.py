"""Message passing between neighbouring nodes; PyG's layers do the work."""
