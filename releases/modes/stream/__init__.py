"""Streams as people look at them: what waits, what was set aside, and sending it in again."""
