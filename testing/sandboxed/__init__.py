"""Programs that run inside the sandbox, each in a process of its own: no Django, and nothing that must not be lost."""
