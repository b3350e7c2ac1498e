"""Forms of the pages: what a person may enter; the rules themselves stand in the verbs."""
