"""For authors of parts: hypothesis strategies, slow obvious oracles, and the contract that every solver keeps."""
