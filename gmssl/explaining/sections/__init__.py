"""The sections of the page; each file writes one from the numbers of a report."""
