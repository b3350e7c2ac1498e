"""Serve the gallery on the loopback interface: `python -m dashboard.tests.gallery [port]`."""

from __future__ import annotations

import copy
import sys

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from waitress import serve


def configure() -> None:
    """The product's settings without database, sessions and people, with its own policy."""
    templates = copy.deepcopy(settings.TEMPLATES)
    templates[0]["OPTIONS"]["context_processors"] = ["django.template.context_processors.request"]
    settings.TEMPLATES = templates
    settings.ROOT_URLCONF = "dashboard.tests.gallery.urls"
    settings.INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.staticfiles"]
    settings.MIDDLEWARE = [
        "dashboard.middleware.content_security_policy",
        "whitenoise.middleware.WhiteNoiseMiddleware",
    ]
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
    django.setup()


if __name__ == "__main__":
    configure()
    serve(get_wsgi_application(), host="127.0.0.1", port=int((sys.argv[1:] or ["8765"])[0]), threads=4)
