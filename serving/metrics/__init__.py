"""Counting: histograms, the gateway's recorder, and the cells in Redis."""
