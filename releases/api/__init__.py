"""The REST API: one file per noun; every action is a call of the same verbs that the pages call."""
