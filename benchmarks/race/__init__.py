"""The parts of the race between Slipway's gateway and its peers (`benchmarks/gateway.py`)."""
