"""Block tags: what wraps a page's own markup. They reach the templates through `ui.py`."""

from __future__ import annotations

from typing import Any

from django.template import Library
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

register = Library()


def _component(name: str, content: SafeString, **values: Any) -> str:
    return render_to_string(f"components/{name}.html", {"content": content, **values})


@register.simple_block_tag
def card(content: SafeString, title: str = "", note: str = "", link: str = "", to: str = "", **more: Any) -> str:
    """`{% card "Releases" link=url to="All releases" %}…{% endcard %}`; also id, css ("flush" for tables), foot."""
    return _component("card", content, title=title, note=note, link=link, to=to, **more)


@register.simple_block_tag
def datatable(content: SafeString, caption: str, cards: bool = False, css: str = "") -> str:
    """`{% datatable "Packages of flight-eta" cards=True %}<thead>…<tbody>…{% enddatatable %}`."""
    return _component("table", content, caption=caption, cards=cards, css=css)


@register.simple_block_tag
def live(content: SafeString, url: str, id: str, every: int = 3) -> str:
    """`{% live url id="board" every=3 %}…{% endlive %}`: its inside is fetched again every so many seconds."""
    return _component("live", content, url=url, id=id, every=every)


@register.simple_block_tag(takes_context=True)
def confirm(context: Context, content: SafeString, title: str, action: str, button: str, **more: Any) -> str:
    """A question before an action: the inside is what changes; also cancel (address), danger, lead, level."""
    values = {"title": title, "action": action, "button": button, "csrf_token": context.get("csrf_token"), **more}
    return _component("confirm", content, **values)
