"""Classification of whole images by a linear layer or an MLP."""
