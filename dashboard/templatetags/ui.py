"""Filters and tags of every page: figures in words, badges, icons, drawings; the blocks stand in `blocks.py`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.template import Library
from django.template.context import Context
from django.template.loader import render_to_string
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.html import format_html, json_script
from django.utils.safestring import SafeString, mark_safe

from dashboard import drawings, figures
from dashboard.icons import ICONS
from dashboard.states import look
from dashboard.templatetags import blocks

register = Library()
register.tags.update(blocks.register.tags)

register.filter("ms", figures.duration)
register.filter("took", figures.took)
register.filter("rate", figures.rate)
register.filter("percent", figures.percent)
register.filter("share", figures.share)
register.filter("count", figures.count)
register.filter("bytes", figures.size)
register.filter("short_digest", figures.short_digest)
register.filter("bars", drawings.bars)


def _aware(at: datetime | float | str) -> datetime:
    """A moment in the page's time zone; numbers are seconds since 1970, texts ISO 8601."""
    if isinstance(at, int | float):
        at = datetime.fromtimestamp(at, UTC)
    elif isinstance(at, str):
        at = datetime.fromisoformat(at)
    return timezone.localtime(at if timezone.is_aware(at) else timezone.make_aware(at))


@register.filter
def exact(at: datetime | float | str | None) -> str:
    """`{{ at|exact }}`: the moment in full, `22 Nov 2026, 14:02:31 UTC`."""
    return figures.exact(_aware(at)) if at else figures.NOTHING


@register.filter
def ago(at: datetime | float | str | None) -> SafeString | str:
    """`{{ at|ago }}`: a <time> that says `3 min ago`, keeps itself fresh, and tells the exact moment on hover."""
    if not at:
        return figures.NOTHING
    moment = _aware(at)
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        moment.isoformat(timespec="seconds"),
        figures.exact(moment),
        figures.relative(moment),
    )


@register.filter
def clock(at: datetime | float | str | None) -> SafeString | str:
    """`{{ at|clock }}`: a <time> that says `14:02`, for "since 14:02"."""
    if not at:
        return figures.NOTHING
    moment = _aware(at)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        moment.isoformat(timespec="seconds"),
        figures.exact(moment),
        f"{moment:%H:%M}",
    )


@register.simple_tag
def icon(name: str, size: str = "") -> SafeString:
    """`{% icon "check" %}`, size "s" or "l": one of our drawings, hidden from screen readers. Raises KeyError."""
    extra = f" icon-{size}" if size else ""
    return format_html(
        '<svg class="icon{}" viewBox="0 0 20 20" fill="none" stroke="currentColor" stroke-width="1.6" '
        'stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">{}</svg>',
        extra,
        mark_safe(ICONS[name]),  # noqa: S308 - our own constants
    )


def badge(state: str, text: str = "", tone: str = "") -> SafeString:
    """`{% state_badge "shifting" "Canary 25 %" %}` or `{{ state|state_badge }}`: colour, icon and word of a state."""
    known = look(state)
    moving = " is-moving" if known.icon == "turning" else ""
    return format_html(
        '<span class="badge tone-{}{}">{}{}</span>', tone or known.tone, moving, icon(known.icon), text or known.word
    )


register.simple_tag(badge, name="state_badge")
register.filter("state_badge", badge)


@register.simple_tag
def sparkline(values: Sequence[float | None], label: str = "", tone: str = "") -> SafeString:
    """`{% sparkline numbers "requests in the last hour" %}`: an inline SVG; without a label it is decoration."""
    if len(values) < 2:
        return SafeString("")
    named = format_html('role="img" aria-label="{}"', label) if label else SafeString('aria-hidden="true"')
    line = drawings.line_points(values)
    return format_html(
        '<svg class="sparkline{}" viewBox="0 0 100 24" preserveAspectRatio="none" {}>'
        '<polygon points="{}"/><polyline points="{}"/></svg>',
        f" tone-{tone}" if tone else "",
        named,
        drawings.closed(line),
        line,
    )


@register.simple_tag
def cell_figures(cell: dict[str, Any]) -> SafeString:
    """The line of requests and the three figures of a cell of the board, as far as it has them."""
    line = (
        sparkline(cell["spark"], "Requests in the last 15 minutes", "accent") if cell.get("spark") else SafeString("")
    )
    if not cell.get("figures"):
        return line
    words = figures.rate(cell["rate"]), figures.percent(cell["error_rate"]), figures.duration(cell["p99"])
    return line + format_html(
        '<dl class="cell-figures"><div><dt>calls</dt><dd>{}</dd></div><div><dt>errors</dt><dd>{}</dd></div>'
        "<div><dt>p99</dt><dd>{}</dd></div></dl>",
        *words,
    )


@register.simple_tag
def digest(value: str, label: str = "digest") -> str:
    """`{% digest package.digest %}`: shortened, whole on hover, with a copy button."""
    return render_to_string("components/digest.html", {"value": value, "label": label})


@register.simple_tag
def figure_parts(value: Any) -> dict[str, str]:
    """Split `37.4 ms` into its figure and its unit, so that the strip can set the unit small."""
    figure, _, unit = str(value).partition(figures.SPACE)
    return {"figure": figure, "unit": unit}


@register.simple_tag
def figure_json(figure: dict[str, Any], element_id: str) -> SafeString:
    """The figure as an inert <script type="application/json">, safe inside HTML."""
    return json_script(figure, element_id)


@register.inclusion_tag("components/nav_link.html", takes_context=True)
def nav_link(context: Context, name: str, text: str, picture: str, also: str = "", key: str = "") -> dict[str, Any]:
    """One line of the navigation; current on its own page and on those named in `also`; absent without such a page."""
    request = context.get("request")
    match = getattr(request, "resolver_match", None)
    here = context.get("section") or (match.url_name if match else "")
    try:
        address = reverse(name)
    except NoReverseMatch:
        address = ""
    current = "page" if here == name else "true" if here in also.split() else ""
    return {"address": address, "text": text, "picture": picture, "current": current, "key": key}


@register.inclusion_tag("components/field.html")
def field(bound: Any, unit: str = "", css: str = "") -> dict[str, Any]:
    """`{% field form.reason unit="miles" %}`: label, control, help and errors of one form field, tied together."""
    widget = bound.field.widget
    one = getattr(widget, "input_type", "") == "checkbox" and not getattr(widget, "allow_multiple_selected", False)
    return {"field": bound, "unit": unit, "css": css, "checkbox": one}


@register.inclusion_tag("components/pagination.html", takes_context=True)
def pagination(context: Context, page: Any, noun: str = "rows") -> dict[str, Any]:
    """`{% pagination page_obj "packages" %}`: earlier and later, keeping the other query parameters."""
    return {"page": page, "noun": noun, "request": context.get("request")}
