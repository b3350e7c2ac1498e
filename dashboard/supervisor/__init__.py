"""Start every process of Slipway, keep it running, and stop it again."""
