"""The one load generator: an open workload, whose latency counts from when a request should have been sent.

A closed generator waits for an answer before it sends the next request, so a server that stalls for a second is asked
nothing in that second and looks well (coordinated omission). Here the times of sending are fixed beforehand
(`schedule`), whatever the server does, and latency is measured from them (`tally`).
"""

from testing.loadgen.run import Call, Limits, Result, drive, run
from testing.loadgen.schedule import constant, poisson, ramp, spike, steps
from testing.loadgen.tally import Outcome, Tally

__all__ = [
    "Call",
    "Limits",
    "Outcome",
    "Result",
    "Tally",
    "constant",
    "drive",
    "poisson",
    "ramp",
    "run",
    "spike",
    "steps",
]
