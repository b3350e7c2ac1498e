"""The programs that the peers run: what a user of each would write, and the bare hello."""

HELLO_APP = "benchmarks.race.apps.hello"
