"""The page of an audit: pairs side by side."""
