"""Pages: load, call a query or a verb, render; one file per word."""
