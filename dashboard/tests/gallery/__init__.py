"""Every component on one page, with made-up figures: for the eye, and for the tests of the components."""
