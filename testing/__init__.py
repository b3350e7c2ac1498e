"""Test suites as a product feature, and the tools that call a gateway."""
