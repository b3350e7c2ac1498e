"""What the judge's guarantee and its speed are worth: simulated canaries, judged by the judge itself."""
