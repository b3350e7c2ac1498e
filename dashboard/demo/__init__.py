"""The demo: real data, recipes that train real models, and the story told through the public REST API."""
