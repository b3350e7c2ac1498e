"""Small SVG drawings made on the server: sparklines and split bars, by attributes only (our policy forbids styles)."""

from __future__ import annotations

from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 100.0, 24.0, 2.0
ARMS = ("stable", "candidate", "control", "previous")


def line_points(values: Sequence[float | None]) -> str:
    """The points of a polyline over a 100 by 24 box, zero at the bottom; a missing value counts as zero."""
    numbers = [max(float(value or 0), 0.0) for value in values]
    top = max(numbers, default=0.0) or 1.0
    step = WIDTH / max(len(numbers) - 1, 1)
    drawn = HEIGHT - 2 * MARGIN
    return " ".join(f"{i * step:.1f},{HEIGHT - MARGIN - drawn * n / top:.1f}" for i, n in enumerate(numbers))


def area_points(values: Sequence[float | None]) -> str:
    """The same line closed along the bottom of the box."""
    return closed(line_points(values))


def closed(line: str) -> str:
    """A line's points with the corners of the box below it."""
    return f"0,{HEIGHT:.0f} {line} {WIDTH:.0f},{HEIGHT:.0f}"


def bars(parts: Sequence[dict]) -> list[dict]:
    """Shares in per cent laid end to end: each part gains x and width on a 0 to 100 line, and a known arm."""
    laid: list[dict] = []
    x = 0.0
    for part in parts:
        width = max(0.0, min(float(part.get("weight") or 0), 100.0 - x))
        arm = part.get("arm") if part.get("arm") in ARMS else "stable"
        laid.append({**part, "arm": arm, "x": f"{x:.3f}", "width": f"{width:.3f}"})
        x += width
    return laid
