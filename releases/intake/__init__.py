"""How a package comes in: unpack, digest, inspect, load, predict, convert, prove equal, compare versions, store."""

from releases.intake.intake import run
from releases.intake.report import STEPS, Accepted, Refused, Step

__all__ = ["STEPS", "Accepted", "Refused", "Step", "run"]
