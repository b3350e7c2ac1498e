"""Every setting of Slipway, flat; what an operator may change comes from the environment (docs/settings.md)."""

from __future__ import annotations

import sys
from pathlib import Path
from urllib.parse import quote

import dj_database_url
from django.core.exceptions import ImproperlyConfigured

from dashboard.addresses import parse_bind, parse_gateways, parse_model, parse_urls, socket_folder
from dashboard.env import (
    env_bool,
    env_certificate,
    env_choice,
    env_float,
    env_int,
    env_list,
    env_path,
    env_secret,
    env_str,
    env_url,
    env_zone,
)

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = "0.1.0"

# --- where things are ---------------------------------------------------------------------------------------------

VAR = env_path("VAR", BASE_DIR / "var")
SECRETS = VAR / "secrets"
PACKAGES = VAR / "packages"
ARTEFACTS = env_path("ARTEFACTS", VAR / "artefacts")
UPLOADS = VAR / "uploads"
BATCHES = VAR / "batches"
EDGE = VAR / "edge"
BATCH_INPUTS = env_path("BATCH_INPUTS", VAR / "batch-inputs")
WEB_BIND = parse_bind("WEB_BIND", env_str("WEB_BIND", "127.0.0.1:8000"))
# With a certificate (and its key, which only the gateways read) they speak TLS.
GATEWAY_TLS_CERT = env_certificate("GATEWAY_TLS_CERT", "")
GATEWAYS = parse_gateways(
    env_str("GATEWAYS", "production=127.0.0.1:8100;*=127.0.0.1:8101"), "https" if GATEWAY_TLS_CERT else "http"
)
# The address that clients use, when a proxy stands in front: `production=https://predict.example.com;*=https://…`.
GATEWAY_URLS = parse_urls(env_str("GATEWAY_URLS", ""))
# The model that answers at the root of its gateway, where MLflow's own client looks for one: `production/flight-eta`.
MLFLOW_MODEL = parse_model("MLFLOW_MODEL", env_str("MLFLOW_MODEL", ""))
# The token with which gateways on other machines fetch packages; without one, none can.
GATEWAY_TOKEN = env_secret("GATEWAY_TOKEN", None)
# The token with which Prometheus reads the gateways' metrics.
GATEWAY_METRICS_TOKEN = env_secret("GATEWAY_METRICS_TOKEN", SECRETS)
# Where those gateways fetch them, such as `https://slipway.example.com/artefacts`; empty: from their own disk.
ARTEFACT_URL = env_url("ARTEFACT_URL", "")

# --- security -----------------------------------------------------------------------------------------------------

DEBUG = env_bool("DEBUG", False)
SECRET_KEY = env_secret("SECRET_KEY", SECRETS)
# Whose SHA-256 is the key that signs what goes to devices; another one, and no device trusts what comes.
EDGE_KEY = env_secret("EDGE_KEY", SECRETS)
ALLOWED_HOSTS = env_list("ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]")
CSRF_TRUSTED_ORIGINS = env_list("CSRF_TRUSTED_ORIGINS", "")
HTTPS = env_bool("HTTPS", False)
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if env_bool("BEHIND_PROXY", False) else None
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; "
    "frame-ancestors 'none'; form-action 'self'"
)
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
AXES_FAILURE_LIMIT = env_int("SIGN_IN_FAILURES", 10, least=1)
AXES_COOLOFF_TIME = 0.25  # hours
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_RESET_ON_SUCCESS = True
AXES_ENABLE_ADMIN = False
AXES_VERBOSE = False
AXES_LOCKOUT_CALLABLE = "dashboard.views.sign_in.locked"
LOGIN_URL, LOGIN_REDIRECT_URL, LOGOUT_REDIRECT_URL = "sign_in", "board", "sign_in"

# --- applications -------------------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "dashboard.staticfiles.UsedStaticFiles",
    "django.contrib.humanize",
    "axes",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "releases",
    "testing",
    "dashboard",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    # Django pads what it compresses by a random length and masks its CSRF tokens, so the length tells nothing.
    "django.middleware.gzip.GZipMiddleware",
    "dashboard.middleware.content_security_policy",
    "dashboard.middleware.no_nul",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "axes.middleware.AxesMiddleware",
    "dashboard.middleware.wrong_verb_in_words",
]
ROOT_URLCONF = "dashboard.urls"
WSGI_APPLICATION = "dashboard.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "dashboard.context.shell",
            ],
            "builtins": ["dashboard.templatetags.ui"],
        },
    }
]

# --- database -----------------------------------------------------------------------------------------------------

# Only `migrate` may make the file: for everybody else a missing database is an error, never a new and empty one.
_MODE = "rwc" if "migrate" in sys.argv[1:2] else "rw"
_SQLITE = {
    "ENGINE": "django.db.backends.sqlite3",
    "NAME": f"file:{quote(str(VAR / 'db.sqlite3'))}?mode={_MODE}",
    "OPTIONS": {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;",
    },
    "CONN_MAX_AGE": 600,
    "TEST": {"NAME": str(VAR / "test.sqlite3")},
}
DATABASE_URL = env_str("DATABASE_URL", "")
try:
    _GIVEN = dj_database_url.parse(DATABASE_URL, conn_max_age=600, conn_health_checks=True) if DATABASE_URL else None
except (ValueError, dj_database_url.ParseError) as error:
    raise ImproperlyConfigured("DATABASE_URL must look like postgres://user:password@host:5432/name.") from error
DATABASES = {"default": _GIVEN or _SQLITE}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Redis, Celery ------------------------------------------------------------------------------------------------

SOCKET = socket_folder(VAR) / "valkey.sock"
EMBEDDED = not env_str("REDIS_URL", "")
_PASSWORD = env_secret("VALKEY_PASSWORD", SECRETS) if EMBEDDED else ""
REDIS_URL = f"unix://:{_PASSWORD}@{SOCKET}?db=0" if EMBEDDED else env_str("REDIS_URL", "")
if not REDIS_URL.startswith(("redis://", "rediss://", "unix://")):
    raise ImproperlyConfigured("REDIS_URL must begin with redis://, rediss:// or unix://.")
CELERY_BROKER_URL = (
    REDIS_URL.replace("unix://", "redis+socket://", 1).replace("?db=", "?virtual_host=")
    if REDIS_URL.startswith("unix://")
    else REDIS_URL
)
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "quick"
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {
    "visibility_timeout": 3600,
    "socket_timeout": 5,
    "socket_connect_timeout": 3,
    # Who sends a task is told at once that the broker is away (beat looks again); the worker has its own patience.
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0,
}
CELERY_TIMEZONE = "UTC"
QUICK_THREADS = env_int("QUICK_THREADS", 4, least=1)
LONG_THREADS = env_int("LONG_THREADS", 2, least=1)
BATCH_THREADS = env_int("BATCH_THREADS", 2, least=1)

# --- pages and API ------------------------------------------------------------------------------------------------

STATIC_URL, STATIC_ROOT = "static/", VAR / "static"
STATICFILES_DIRS = [BASE_DIR / "static"]
_STATIC = "django.contrib.staticfiles.storage.StaticFilesStorage"
_MANIFEST = "dashboard.staticfiles.HashedFiles"
TESTING = "pytest" in sys.modules
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": _STATIC if DEBUG or TESTING else _MANIFEST},
}
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = DEBUG or TESTING
MEDIA_ROOT = VAR
FILE_UPLOAD_TEMP_DIR = None
DATA_UPLOAD_MAX_MEMORY_SIZE = 2_621_440
UPLOAD_MAX_BYTES = env_int("UPLOAD_MAX_MB", 256, least=1) * 1024 * 1024
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "releases.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_PAGINATION_CLASS": "releases.api.pagination.Pages",
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "releases.api.errors.answer",
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Slipway",
    "DESCRIPTION": "Register packages, release them, roll them back.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SCHEMA_PATH_PREFIX": "/api/",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "ReleaseState": "releases.models.Release.State",
        "BatchState": "releases.models.BatchJob.State",
        "DeviceState": "releases.models.EdgeDevice.State",
        "IntakeState": "releases.models.Intake.State",
        "StepState": "releases.api.intakes.STEP_STATES",
        "RunState": "testing.models.Run.State",
        "SheetState": "testing.models.Sheet.State",
    },
}
LANGUAGE_CODE, TIME_ZONE, USE_TZ, USE_I18N = "en", env_zone("TIME_ZONE", "UTC"), True, False

# --- the judge ----------------------------------------------------------------------------------------------------

JUDGE_BATCH_SECONDS = env_int("JUDGE_BATCH_SECONDS", 10, least=1)
JUDGE_KEEP_DAYS = env_int("JUDGE_KEEP_DAYS", 365, least=1)
SHADOW_KEEP_DAYS = env_int("SHADOW_KEEP_DAYS", 14, least=1)

# --- batch --------------------------------------------------------------------------------------------------------

BATCH_CHUNK_ROWS = env_int("BATCH_CHUNK_ROWS", 50_000, least=1)
BATCH_CHUNK_SECONDS = env_int("BATCH_CHUNK_SECONDS", 900, least=1)
BATCH_MAX_BYTES = env_int("BATCH_MAX_GB", 50, least=1) * 2**30
BATCH_KEEP_DAYS = env_int("BATCH_KEEP_DAYS", 14, least=1)

# --- the demo -----------------------------------------------------------------------------------------------------

DEMO = env_bool("DEMO", True)
DEMO_TRAFFIC_RATE = env_float("DEMO_TRAFFIC_RATE", 5.0)

# --- log ----------------------------------------------------------------------------------------------------------

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(levelname)s %(name)s: %(message)s"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["stderr"], "level": env_choice("LOG_LEVEL", "WARNING", LEVELS)},
    "loggers": {
        "slipway": {"level": "INFO"},
        "releases": {"level": "INFO"},
        "django.request": {"level": "ERROR"},  # a client's 404 is no news
    },
}
