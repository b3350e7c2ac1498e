"""The judge: whether a candidate is worse than what is live, with a guarantee that holds however often one looks.

Pure, and numpy alone: no Django, no clock, no input or output. `verdict.Judge` is the entry; docs/judge.md
describes it.
"""
