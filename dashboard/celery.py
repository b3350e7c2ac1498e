"""The Celery application: four queues (quick, long, load, batch) and what beat starts."""

from __future__ import annotations

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning

# `up` says it once, in a sentence, when it runs as root; no pickle is accepted here in any case.
warnings.filterwarnings("ignore", category=SecurityWarning)
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "dashboard.settings")

app = Celery("slipway")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["releases", "releases.modes.batch", "releases.modes.edge", "releases.modes.stream", "testing"])
app.conf.beat_schedule = {
    "look again at every unfinished release": {"task": "releases.tasks.reconcile_all", "schedule": 1.0},
    "write the route tables again": {"task": "releases.tasks.publish_all", "schedule": 5.0},
    "roll counts up into the database": {"task": "releases.tasks.roll_up", "schedule": 30.0},
    "start the suites that are wanted": {"task": "testing.tasks.run_missing", "schedule": 2.0},
    "take up runs that lost their worker": {"task": "testing.tasks.resume_runs", "schedule": 10.0},
    "bring captured requests to disk": {"task": "releases.tasks.store_capture", "schedule": 5.0},
    "note when keys were last used": {"task": "releases.tasks.note_key_use", "schedule": 60.0},
    "take up intakes that lost their worker": {"task": "releases.tasks.resume_intakes", "schedule": 10.0},
    "keep batches going": {"task": "releases.modes.batch.tasks.keep", "schedule": 2.0},
    "start batches that are due": {"task": "releases.modes.batch.tasks.start_due", "schedule": 5.0},
    "drop files of old batches": {"task": "releases.modes.batch.tasks.prune", "schedule": 600.0},
    "send results of streams": {"task": "releases.modes.stream.tasks.deliver", "schedule": 1.0},
    "remove what dead suites left": {"task": "testing.tasks.prune", "schedule": 600.0},
    "drop what is past its keeping time": {"task": "releases.tasks.prune", "schedule": 600.0},
}
app.conf.beat_scheduler = "dashboard.pulse:Scheduler"
app.steps["consumer"].add("dashboard.pulse.Step")
for entry in app.conf.beat_schedule.values():
    # A tick that nobody took in time is worth nothing: the next one looks afresh.
    entry["options"] = {"queue": "quick", "expires": max(2.0, entry["schedule"])}
