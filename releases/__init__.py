"""The domain: packages, environments, releases, routes, keys and their history."""
