"""Verbs: every change of state, one file per noun; pages, REST, tasks and commands call the same functions."""
