#!/usr/bin/env python
"""The command line of Slipway: `python manage.py up` starts everything."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")
    try:
        execute_from_command_line(sys.argv)
    except ImproperlyConfigured as error:
        sys.stderr.write(f"Settings: {error}\n")
        sys.exit(78)  # EX_CONFIG: the supervisor does not start such a child again
