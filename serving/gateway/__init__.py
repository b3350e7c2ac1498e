"""The gateway: a process of its own that answers predictions by the route table it was given."""
