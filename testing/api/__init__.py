"""Suites and runs by REST."""
