"""The Django project and the pages."""

from dashboard.celery import app as celery_app

__all__ = ["celery_app"]
