"""User acceptance: a plan for each model, a sheet for each package, and the signature that opens a gate."""
