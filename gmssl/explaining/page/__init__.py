"""The page: Python gathers numbers, words and pictures, and the templates beside it say how they look."""
