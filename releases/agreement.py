"""When two packages of a model count as alike, and what a comparison of them shows: one rule for every comparison."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from releases.analysis import agreement
from serving.tally import Tally

# So much evidence is enough (1 / alpha, with alpha 5 %).
NEEDED = 20.0
Span = tuple[float, float]


@dataclass(frozen=True)
class Rule:
    """What is asked of a candidate whose answers are compared with those of the live package.

    Two numbers agree that differ by no more than atol + rtol × the live one, two classes when they are the same. It
    passes when it is certain that it disagrees in less than `limit` (0 to 1) of the pairs, and after `pairs` at least.
    """

    limit: float = 0.01
    pairs: int = 2000
    atol: float = 0.0
    rtol: float = 0.05

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Finding:
    """`verdict` is pass, fail or hold. `rate` of disagreement with its interval, valid at every look (95 %).

    `above` and `below` are the evidence that it is more, and less, than the limit; 20 is enough.
    """

    verdict: str
    words: str
    rate: float
    interval: Span
    above: float
    below: float


def rule_of(values: dict[str, Any]) -> Rule:
    """Return the rule of stored settings, those that are missing at their defaults; raises ValueError in words."""
    unknown = values.keys() - asdict(Rule()).keys()
    if unknown:
        raise ValueError(f"There is no {', '.join(sorted(unknown))}; there are limit, pairs, atol and rtol.")
    rule = Rule(**values)
    if not 0 < rule.limit < 1:
        raise ValueError("The limit is a share of the pairs between 0 and 1, such as 0.01.")
    if not 1 <= rule.pairs <= 10_000_000:
        raise ValueError("It takes 1 to 10,000,000 pairs.")
    if not all(0 <= each < math.inf for each in (rule.atol, rule.rtol)):
        raise ValueError("The tolerances atol and rtol are numbers from 0.")
    return rule


def finding(rule: Rule, tally: Tally) -> Finding:
    """Return what is certain by now; may be asked at every pair (F10 of docs/judge.md)."""
    pairs, unlike = tally.pairs, tally.disagreed
    above, below = (_number(each(unlike, pairs, rule.limit)) for each in (agreement.above, agreement.below))
    span = agreement.interval(unlike, pairs)
    verdict = "fail" if above >= NEEDED else "pass" if below >= NEEDED and pairs >= rule.pairs else "hold"
    rate = unlike / pairs if pairs else 0.0
    return Finding(verdict, _words(rule, verdict, pairs, unlike, span), rate, span, above, below)


def _number(logarithm: float) -> float:
    return math.exp(min(700.0, logarithm))


def _words(rule: Rule, verdict: str, pairs: int, unlike: int, span: Span) -> str:
    if not pairs:
        return "No pair was compared yet."
    low, high = (_percent(end) for end in span)
    said = f"{unlike:,} of {pairs:,} pairs disagree ({_percent(unlike / pairs)} %, certainly {low} to {high} %)"
    limit = _percent(rule.limit)
    if verdict == "fail":
        return f"{said}: more than {limit} % is proven."
    if verdict == "pass":
        return f"{said}: less than {limit} % is certified."
    if pairs < rule.pairs:
        return f"{said}; {rule.pairs:,} pairs are asked for."
    return f"{said}: whether that is less than {limit} % is not certain."


def _percent(share: float) -> str:
    return f"{100 * share:.3g}"
