"""Replies as they go over the wire, and what can be read off a request's first line."""

from __future__ import annotations

from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from serving.gateway.messages import Reply, on_the_wire


def wired(reply: Reply, method: str, keep: bool) -> bytes:
    """Return status line, headers and body; `keep` is whether the connection stays open."""
    length = "" if reply.status == 204 else f"content-length: {len(reply.body)}\r\n"
    end = "\r\n" if keep else "connection: close\r\n\r\n"
    lines = f"{on_the_wire(reply.own)}{reply.shared.wire}{length}{end}"
    head = STATUS_LINE[reply.status] + lines.encode("latin-1")
    return head if method == "HEAD" else head + reply.body


def path_of(url: bytes) -> str:
    """Return the path that an address names, its escapes read as UTF-8."""
    path = url.partition(b"?")[0].decode("latin-1")
    return unquote(path) if "%" in path else path


def query_of(url: bytes) -> str:
    """Return what stands behind the question mark, as it was sent."""
    return url.partition(b"?")[2].decode("latin-1") if b"?" in url else ""
