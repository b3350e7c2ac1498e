"""A file of flights answered: Slipway beside loops that people write by hand, and beside its own second worker."""
