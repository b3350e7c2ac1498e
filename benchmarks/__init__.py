"""Commands that print the figures which the documents quote."""
