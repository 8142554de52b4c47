"""Views: augmented crops with the exact way back to the original image."""
