"""What tasks with masks share: how mask files are read and laid on a grid, changed at random, scored, and shown."""
