"""What is asked of every page: axe and the console are silent, nothing is foreign, the keyboard gets everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.sync_api import ConsoleMessage, Page, Request

AXE = (Path(__file__).parent / "vendor" / "axe.min.js").read_text()
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
AUDIT = """async ([tags, leave]) => {
    const found = await axe.run({exclude: leave}, {runOnly: tags, resultTypes: ['violations']});
    return found.violations.flatMap(({id, nodes}) => nodes.map(node => `${id}: ${node.target} ${node.failureSummary}`));
}"""

# Everything that a person can act on and can see now, by a name that survives a refresh. Of a group of radio buttons
# or tabs one is reached by Tab, the others by the arrow keys.
SHARED = """
    window.nameOf = e => [e.tagName, e.id, e.getAttribute('href'), e.getAttribute('name'), e.getAttribute('aria-label'),
        (e.textContent || '').replace(/\\s+/g, ' ').trim().replace(/\\d+/g, '0').slice(0, 60)].join('|');
    window.grouped = e => e.type === 'radio' ? `radios ${e.name}` : e.getAttribute('role') === 'tab' ?
        `tabs ${e.closest('[role=tablist]').getAttribute('aria-label')}` : nameOf(e);
"""
ACTIVE = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0'], [role=tab]"
EXPECTED = f"""() => {{ {SHARED}
    const all = [...document.querySelectorAll("{ACTIVE}")];
    return [...new Set(all.filter(e => e.checkVisibility({{visibilityProperty: true}}) && !e.disabled).map(grouped))];
}}"""
LISTEN = """() => {
    window.reached = {};
    document.addEventListener('focusin', event => {
        const e = event.target, box = e.getBoundingClientRect();
        const shown = [e, e.closest('.choice'), e.closest('.drop')].filter(Boolean).some(each => {
            const look = getComputedStyle(each);
            return look.outlineStyle !== 'none' && parseFloat(look.outlineWidth) >= 1;
        });
        reached[grouped(e)] = shown && box.width > 0 && box.height > 0;
    });
    document.activeElement?.blur();
    window.scrollTo(0, 0);
}"""
LOOKS = [("light", 1440), ("dark", 1440), ("dark", 390), ("light", 390)]


@dataclass
class Watch:
    """What a page said and whom it asked, from its first request on."""

    web: str
    expected: int = 200
    said: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)

    def on(self, page: Page) -> None:
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", self._see)

    def _hear(self, message: ConsoleMessage) -> None:
        answered = self.expected != 200 and f"status of {self.expected}" in message.text  # the page itself, as wanted
        if message.type in ("error", "warning") and not answered:
            self.said.append(f"{message.text} {message.location}")

    def _see(self, request: Request) -> None:
        if not request.url.startswith((f"{self.web}/", "data:", "blob:")):
            self.foreign.append(request.url)


def faults(page: Page, leave: list[str]) -> dict[str, list[str]]:
    """Run axe in both themes at both widths; return what it finds in each, without what is empty."""
    page.evaluate(AXE)
    found = {}
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate("scrollTo(0, 0)")  # else a link that has just gone under the top bar counts as too near to it
        found[f"{theme} {width}"] = page.evaluate(AUDIT, [TAGS, leave])
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found[f"{theme} {width}"].append("scrolls sideways")
    return {look: each for look, each in found.items() if each}


def unreached(page: Page) -> dict[str, Any]:
    """Press Tab through the whole page; return what it did not reach, and what did not show that it had the focus."""
    expected = page.evaluate(EXPECTED)
    page.evaluate(LISTEN)
    for pressed in range(2 * page.locator(ACTIVE).count() + 20):
        page.keyboard.press("Tab")
        if pressed % 10 == 9 and page.evaluate("names => names.every(name => name in reached)", expected):
            break
    reached = page.evaluate("reached")
    missed = [name for name in expected if name not in reached]
    return {"missed": missed, "without a visible focus": [name for name in expected if reached.get(name) is False]}
