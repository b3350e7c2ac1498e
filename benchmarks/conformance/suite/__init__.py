"""What the clients' own Python runs: `python run.py target.json`. Nothing here imports Slipway."""
