"""One conformance suite for V2 and V1, told by clients that others wrote, against Slipway and two reference servers."""
