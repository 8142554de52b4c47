"""The runs of a sweep as tasks of a cluster: an array of jobs, one task a run, that outlives whoever sent it."""
