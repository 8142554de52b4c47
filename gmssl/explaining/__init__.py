"""What a finished run has learnt, as a page: which images it confuses, and what in the costs is to blame."""
