"""The icons, drawn for Slipway on a 20 by 20 grid with a line of 1.6; each is the inside of an <svg>."""

# ruff: noqa: E501 - a path reads no better when it is broken
from __future__ import annotations

ICONS: dict[str, str] = {
    # navigation
    "board": '<rect x="2.8" y="3.3" width="14.4" height="13.4" rx="2"/><path d="M2.8 7.8h14.4M7.6 7.8v8.9M12.4 7.8v8.9"/>',
    "box": '<path d="m10 2.6 6.6 3.6v7.6L10 17.4l-6.6-3.6V6.2z"/><path d="m3.6 6.3 6.4 3.6 6.4-3.6M10 9.9v7.4"/>',
    "release": '<path d="M2.6 16.4h14.8M3.6 13.6 15 7.2"/><path d="m11.2 4.9 4.6 1.9-1.4 4.7"/>',
    "play": '<rect x="2.8" y="3.3" width="14.4" height="13.4" rx="2"/><path d="m8.4 7.4 4.2 2.6-4.2 2.6z"/>',
    "layers": '<path d="m10 3 7 3.6-7 3.6-7-3.6z"/><path d="m3.4 10.2 6.6 3.4 6.6-3.4M3.4 13.7l6.6 3.4 6.6-3.4"/>',
    "activity": '<path d="M2.6 10.4h3.1l2.4-6 3.7 11.4 2.5-5.4h3.1"/>',
    "key": '<circle cx="6.9" cy="13.1" r="3.7"/><path d="m9.6 10.4 6.9-6.9M13.4 6.6l2.7 2.7"/>',
    "code": '<path d="m6.6 6-4 4 4 4M13.4 6l4 4-4 4M11.3 4.4 8.7 15.6"/>',
    "settings": '<path d="M3 6h8.4M15.6 6H17M3 14h1.4M8.6 14H17"/><circle cx="13.5" cy="6" r="2.1"/>'
    '<circle cx="6.5" cy="14" r="2.1"/>',
    "menu": '<path d="M3 5.6h14M3 10h14M3 14.4h14"/>',
    "search": '<circle cx="8.8" cy="8.8" r="5.4"/><path d="m12.9 12.9 4.2 4.2"/>',
    "sun": '<circle cx="10" cy="10" r="3.4"/><path d="M10 2.4v1.8M10 15.8v1.8M2.4 10h1.8M15.8 10h1.8M4.6 4.6l1.3 1.3'
    'M14.1 14.1l1.3 1.3M4.6 15.4l1.3-1.3M14.1 5.9l1.3-1.3"/>',
    "moon": '<path d="M16.6 12.1A7.1 7.1 0 0 1 7.9 3.4a7.1 7.1 0 1 0 8.7 8.7z"/>',
    "leave": '<path d="M8 3.4H5.2a1.8 1.8 0 0 0-1.8 1.8v9.6a1.8 1.8 0 0 0 1.8 1.8H8M12.4 6.4 16 10l-3.6 3.6M16 10H7.6"/>',
    "person": '<circle cx="10" cy="6.8" r="3.2"/><path d="M3.8 16.8c.7-3.2 3.1-4.8 6.2-4.8s5.5 1.6 6.2 4.8"/>',
    # states
    "check": '<path d="m4.6 10.6 3.6 3.6 7.2-8"/>',
    "cross": '<path d="m5.4 5.4 9.2 9.2M14.6 5.4l-9.2 9.2"/>',
    "warning": '<path d="M10 3.2 18 16.8H2z"/><path d="M10 8.2v3.8M10 14.3v.2"/>',
    "info": '<circle cx="10" cy="10" r="7.2"/><path d="M10 9.2v4.4M10 6.4v.2"/>',
    "clock": '<circle cx="10" cy="10" r="7.2"/><path d="M10 5.8V10l2.8 1.8"/>',
    "pause": '<path d="M7 4.8v10.4M13 4.8v10.4"/>',
    "stop": '<circle cx="10" cy="10" r="7.2"/><path d="m5 15 10-10"/>',
    "skip": '<path d="M4.2 5.4 9.6 10l-5.4 4.6zM14.8 5.4v9.2"/>',
    "turning": '<path d="M16.8 10A6.8 6.8 0 1 1 13 3.9"/><path d="M13.2 1.6v3.2H10"/>',
    "eye": '<path d="M1.8 10S4.8 4.6 10 4.6 18.2 10 18.2 10 15.2 15.4 10 15.4 1.8 10 1.8 10z"/><circle cx="10" cy="10" r="2.4"/>',
    "lock": '<rect x="4" y="9" width="12" height="8" rx="1.8"/><path d="M6.6 9V6.6a3.4 3.4 0 0 1 6.8 0V9"/>',
    "archive": '<rect x="2.8" y="3.6" width="14.4" height="3.8" rx="1"/><path d="M4.2 7.4v9h11.6v-9M8 10.6h4"/>',
    "flame": '<path d="M10 2.6c.6 3.2 4.8 4.8 4.8 9a4.8 4.8 0 0 1-9.6 0c0-2 1-3.2 2-4.2.2 1.5.8 2.2 1.6 2.6-.4-2.9.2-5.6 1.2-7.4z"/>',
    "anchor": '<circle cx="10" cy="4.6" r="2"/><path d="M10 6.6v10.6M6.6 9.4h6.8M3.4 11.6c.4 3.6 3 5.6 6.6 5.6s6.2-2 6.6-5.6"/>',
    "scale": '<path d="M10 3.2v13.6M6 16.8h8M4 6h12M4 6 1.8 11.2h4.4zM16 6l-2.2 5.2h4.4z"/>',
    "dot": '<circle cx="10" cy="10" r="2.6" fill="currentColor"/>',
    # actions
    "copy": '<rect x="7" y="7" width="10" height="10" rx="1.8"/><path d="M13 7V4.8A1.8 1.8 0 0 0 11.2 3H4.8A1.8 1.8 0 0 0 3 4.8v6.4A1.8 1.8 0 0 0 4.8 13H7"/>',
    "up": '<path d="M10 16.4V3.8M4.8 9 10 3.8 15.2 9"/>',
    "back": '<path d="M3.4 8h8.8a4.4 4.4 0 0 1 0 8.8H8.6M7 4.2 3.2 8 7 11.8"/>',
    "right": '<path d="M3.6 10h12.6M11.2 5l5 5-5 5"/>',
    "next": '<path d="m7.6 4.8 5.2 5.2-5.2 5.2"/>',
    "previous": '<path d="M12.4 4.8 7.2 10l5.2 5.2"/>',
    "plus": '<path d="M10 3.8v12.4M3.8 10h12.4"/>',
    "upload": '<path d="M10 13V3.6M5.8 7.8 10 3.6l4.2 4.2M3.2 13.2v2a1.8 1.8 0 0 0 1.8 1.8h10a1.8 1.8 0 0 0 1.8-1.8v-2"/>',
    "download": '<path d="M10 3.4V13M5.8 8.8 10 13l4.2-4.2M3.2 13.2v2a1.8 1.8 0 0 0 1.8 1.8h10a1.8 1.8 0 0 0 1.8-1.8v-2"/>',
    "filter": '<path d="M3 4.6h14M5.8 10h8.4M8.6 15.4h2.8"/>',
    "file": '<path d="M5 2.8h6.4l4 4v10.4H5zM11.2 2.8v4.2h4.2"/>',
    "stream": '<path d="M2.6 6.4c2.4-2.6 4.9-2.6 7.4 0s5 2.6 7.4 0M2.6 11.2c2.4-2.6 4.9-2.6 7.4 0s5 2.6 7.4 0M2.6 16c2.4-2.6 4.9-2.6 7.4 0s5 2.6 7.4 0"/>',
    "rows": '<rect x="2.8" y="3.3" width="14.4" height="13.4" rx="2"/><path d="M2.8 7.8h14.4M2.8 12.2h14.4M8 7.8v8.9"/>',
    "chart": '<path d="M3.2 3.4v13.4h13.6"/><path d="m6 12.4 3.2-3.8 2.8 2.2 4.2-5.2"/>',
    "device": '<rect x="5.4" y="2.4" width="9.2" height="15.2" rx="1.8"/><path d="M9 14.8h2"/>',
    "shield": '<path d="M10 2.6 16.4 5v4.6c0 3.8-2.6 6.4-6.4 7.8-3.8-1.4-6.4-4-6.4-7.8V5z"/>',
    "server": '<rect x="3" y="3.4" width="14" height="5.6" rx="1.6"/><rect x="3" y="11" width="14" height="5.6" rx="1.6"/><path d="M6 6.2v.1M6 13.8v.1"/>',
    "flask": '<path d="M8 2.8h4M8.6 2.8v5L3.9 15a1.4 1.4 0 0 0 1.2 2.2h9.8a1.4 1.4 0 0 0 1.2-2.2l-4.7-7.2v-5M6.4 12h7.2"/>',
    "keyboard": '<rect x="2" y="5" width="16" height="10.4" rx="1.8"/><path d="M5 8.4v.1M8.3 8.4v.1M11.7 8.4v.1M15 8.4v.1M6.6 12h6.8"/>',
}
