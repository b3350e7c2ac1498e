"""Static files in production: hashed names and compressed copies, of what the pages use and nothing else.

With the stock classes the first start spends 49 s here: everything that Swagger's package carries (ReDoc, source maps)
and every name twice, at brotli's slowest level.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from typing import Any, ClassVar

import brotli
from django.contrib.staticfiles.apps import StaticFilesConfig
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

BROTLI_QUALITY = 8
# The first start must not wait for the one file that is larger: half a second instead of two and a half.
LARGE, LARGE_BROTLI, LARGE_GZIP = 5_000_000, 5, 1


class UsedStaticFiles(StaticFilesConfig):
    """Leaves out what no page asks for."""

    ignore_patterns = [
        *StaticFilesConfig.ignore_patterns,
        "*.map",
        "redoc",
        "rest_framework",
        "swagger-ui.js",
        "swagger-ui-es-bundle*",
        "htmax*",
        "htmx-4*",
    ]


class QuickCompressor(Compressor):
    @staticmethod
    def compress_brotli(data: bytes) -> bytes:
        return bytes(brotli.compress(data, quality=LARGE_BROTLI if len(data) > LARGE else BROTLI_QUALITY))

    @staticmethod
    def compress_gzip(data: bytes) -> bytes:
        return gzip.compress(data, LARGE_GZIP, mtime=0) if len(data) > LARGE else Compressor.compress_gzip(data)


class HashedFiles(CompressedManifestStaticFilesStorage):
    """Follows `url()` and `@import` in CSS, but no source maps; compresses only the names that pages ask for."""

    patterns: ClassVar = (("*.css", CompressedManifestStaticFilesStorage.patterns[0][1][:2]),)

    def create_compressor(self, **kwargs: Any) -> Compressor:
        return QuickCompressor(**kwargs)

    def compress_files(self, paths: set[str]) -> Iterator[tuple[str, str]]:
        yield from super().compress_files(set(paths) & set(self.hashed_files.values()))
