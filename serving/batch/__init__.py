"""Batch: files of any size answered chunk by chunk, each chunk the same bytes whoever makes it and how often."""
