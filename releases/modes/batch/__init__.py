"""Batch jobs: started by hand, by REST or on a schedule, carried by as many workers as there are."""
