"""`gmssl bench estimators`: every estimator against the exact gradient."""
