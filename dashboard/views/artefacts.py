"""Serving forms of packages for gateways on other machines: only with their token, only files that a manifest names."""

from __future__ import annotations

import re
from pathlib import Path

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import FileResponse, Http404, HttpRequest
from django.utils.crypto import constant_time_compare
from django.views.decorators.http import require_safe

HEX = re.compile(r"[0-9a-f]{64}\Z")
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\Z")


@login_not_required
@require_safe
def artefacts(request: HttpRequest, hex: str, file: str) -> FileResponse:
    """Stream one file; without the right token there is nothing at this address."""
    if not _is_gateway(request):
        raise Http404
    return FileResponse(_path(hex, file).open("rb"), content_type="application/octet-stream")


def _is_gateway(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    token = settings.GATEWAY_TOKEN
    return bool(token) and scheme.lower() == "bearer" and constant_time_compare(given.strip(), token)


def _path(hex: str, file: str) -> Path:
    """Both parts are plain names, so that no path can leave the folder; a link in it is not followed."""
    path = settings.ARTEFACTS / hex / file
    if not HEX.match(hex) or not NAME.match(file) or path.is_symlink() or not path.is_file():
        raise Http404
    return Path(path)
