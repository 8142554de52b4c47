"""Tasks: what is learnt on top of an encoder, and how it is scored."""
