"""The leak audit: which images of a test set are in a training set, or nearly."""
