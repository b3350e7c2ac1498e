"""Where a change of a release is published: to the gateways, or to the devices of a channel."""

from __future__ import annotations

from releases import routes
from releases.models import Release
from releases.modes.edge import releasing


def publish(release: Release, cause: str) -> None:
    """Publish what a release has changed, in the caller's transaction."""
    if release.strategy == "edge":
        releasing.publish(release)
    else:
        routes.publish(release.environment, cause)
