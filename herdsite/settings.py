"""herdsite's settings. Every one that an operator may want to set is an environment variable with a default that
works on a developer's machine; the README has them as a table."""

import os
import socket
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dj_database_url

from fleet import policy
from fleet.providers.local import spawn
from herdsite import embedded, logs, storages
from herdsite.site import UNFOLD as UNFOLD
from incidents.notices import mail

BASE_DIR = Path(__file__).resolve().parent.parent


def _env(name: str, default: str = "") -> str:
    return os.environ.get(f"HERDSITE_{name}", default)


def _secret_lines(variable: str, file: Path) -> list[str]:
    """Secrets from the environment (comma-separated), or from the file that bin/up made."""
    given = _env(variable)
    if given:
        return [part.strip() for part in given.split(",") if part.strip()]
    return file.read_text().split() if file.exists() else []


VAR = Path(_env("VAR", str(BASE_DIR / "var")))
DEBUG = _env("DEBUG") == "1"
SECRET_KEY = next(iter(_secret_lines("SECRET_KEY", VAR / "secret_key")), "")
FERNET_KEYS = _secret_lines("FERNET_KEYS", VAR / "fernet_keys")
ALLOWED_HOSTS = _env("ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]").split(",")
CSRF_TRUSTED_ORIGINS = [origin for origin in _env("TRUSTED_ORIGINS").split(",") if origin]

INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "django_q",
    "rest_framework",
    "knox",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "fleet",
    "fleet.api",
    "fleet.addon",
    "fleet.audit",
    "fleet.lockout",
    "observations",
    "observations.drains",
    "incidents",
    "incidents.hooks",
    "herdsite",
]
MIDDLEWARE = [
    "fleet.api.requests.identified",
    "herdsite.edge.headers.guarded",
    "herdsite.edge.compression.Compressed",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "fleet.audit.requests.audited",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "herdsite.edge.idle.idle",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "herdsite.urls"
WSGI_APPLICATION = "herdsite.wsgi.application"
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
                "herdsite.portal.troubles.standing",
            ]
        },
    }
]
AUTHENTICATION_BACKENDS = ["fleet.lockout.backend.Patient"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "/"
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
FORMAT_MODULE_PATH = "herdsite.formats"
STATIC_URL = "static/"
STATIC_ROOT = VAR / "static"
WHITENOISE_USE_FINDERS = True

# Databases. Observations may live in one of their own.
DATABASE_URL = os.environ.get("DATABASE_URL") or embedded.url(VAR) or "postgres://herdsite@127.0.0.1:5432/herdsite"
DATABASES: dict[str, Any] = {"default": dict(dj_database_url.parse(DATABASE_URL))}
if os.environ.get("OBSERVATIONS_DATABASE_URL"):
    DATABASES["observations"] = dict(dj_database_url.parse(os.environ["OBSERVATIONS_DATABASE_URL"]))
for _database in DATABASES.values():
    _database.setdefault("OPTIONS", {})
    # A worker whose own database hangs must not hang with it: the lease would run out under it anyway.
    _database["OPTIONS"] |= {"connect_timeout": 5, "options": "-c statement_timeout=30s -c lock_timeout=10s"}
    _database["CONN_MAX_AGE"] = 60
    _database["CONN_HEALTH_CHECKS"] = True
OBSERVATIONS_DB = "observations" if "observations" in DATABASES else "default"
DATABASE_ROUTERS = ["observations.router.ObservationsRouter"]

# The herd.
PROVIDERS = {
    "local": "herdsite.wiring.local_provider",
    "ssh": "herdsite.wiring.ssh_provider",
}
# Those that have hosts of somebody else's, with what names these: they are never made and never taken away.
ADOPTING_PROVIDERS = {"ssh": "herdsite.wiring.ssh_hosts"}
# Where WAL and base backups go: the archive of new timelines, and every archive that timelines are in. Empty: nowhere.
ARCHIVE = _env("ARCHIVE", "directory")
ARCHIVES = {
    "directory": "herdsite.wiring.directory_archive",
    "pgbackrest": "herdsite.wiring.pgbackrest_archive",
}
PGBACKREST = _env("PGBACKREST")  # a file of pgBackRest's own settings: [global], repo1-type, repo1-s3-bucket, …
ARCHIVE_ROOT = Path(_env("ARCHIVE_ROOT", str(spawn.land(VAR / "archive") if VAR.exists() else VAR / "archive")))
# Where logical backups lie: a directory that all hosts see, or s3://BUCKET/PREFIX; and the hosts from which dumps may
# be fetched ("*": all that are on the public internet, over https).
BACKUPS = _env("BACKUPS", str(ARCHIVE_ROOT / "logical-backups"))
IMPORT_HOSTS = [host for host in _env("IMPORT_HOSTS", "*").split(",") if host]
# Hosts in private networks, and without TLS, to which webhooks, drains and imports may go all the same ("*": all).
# Others have to be on the public internet and speak https.
PRIVATE_URLS = [host for host in _env("PRIVATE_URLS", "*" if DEBUG else "").split(",") if host]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "backups": storages.backups(BACKUPS),
}
HOSTS_ROOT = spawn.land(VAR / "hosts") if VAR.exists() else VAR / "hosts"
# The web process isn't told where it is.
SSH_KEY = Path(_env("SSH_KEY", str(VAR / "ssh" / "id_ed25519")) if _env("ROLE") != "web" else os.devnull)
SSH_HOSTS = Path(_env("SSH_HOSTS", str(VAR / "hosts.json")))
LOCAL_CAPACITY = int(_env("LOCAL_CAPACITY", "24"))
KEEP_OBSERVATIONS_DAYS = int(_env("KEEP_OBSERVATIONS_DAYS", "3"))

# Who looks. Workers elsewhere get another name; each worker process adds its pid.
VANTAGE = _env("VANTAGE", socket.gethostname().split(".")[0])
# The web process asks and never touches the fleet: it gets transports that raise.
ROLE = _env("ROLE")

# Turns (herdsite/turns.py). `workers` are processes, `threads` look side by side in each.
QUEUES = {
    policy.FEEL: {"workers": int(_env("FEEL_WORKERS", "2")), "threads": 16},
    policy.SUSPECT: {"workers": int(_env("SUSPECT_WORKERS", "2")), "threads": 8},
    policy.WORK: {"workers": int(_env("WORK_WORKERS", "2")), "threads": 8},
    policy.SLOW: {"workers": int(_env("SLOW_WORKERS", "1")), "threads": 2},
}
TURN_BUDGET_S = 20
_CLUSTER = {
    "timeout": 90,
    "retry": 240,
    "max_attempts": 1,
    "ack_failures": True,
    "save_limit": -1,
    "poll": 0.2,
    "queue_limit": 1,
    "bulk": 1,
    "scheduler": False,
    "log_level": "WARNING",
    "max_rss": 150_000,
}
Q_CLUSTER: dict[str, Any] = {
    "name": "herdsite",
    **_CLUSTER,
    **(
        {"redis": _env("REDIS_URL")}
        if _env("REDIS_URL")
        else {"orm": "default", "broker_class": "herdsite.broker.PatientORM"}
    ),
    "workers": 1,
    "ALT_CLUSTERS": {name: {**_CLUSTER, "workers": queue["workers"]} for name, queue in QUEUES.items()},
}

# Secure by default wherever it is not a developer's loopback: HERDSITE_HTTPS=1 behind TLS.
HTTPS = _env("HTTPS") == "1"
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|herdz|metrics)$"]
SECURE_HSTS_SECONDS = 31_536_000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SESSION_COOKIE_AGE = int(float(_env("SESSION_H", "12")) * 3600)
IDLE_S = float(_env("IDLE_MIN", "60")) * 60  # without anybody's doing; 0 for no such end
SESSION_COOKIE_HTTPONLY = True  # the other one is read by the page of the API that tries it
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"
PROXIES = int(_env("PROXIES", "0"))  # before us, each of which adds to X-Forwarded-For

LOG_LEVEL = _env("LOG_LEVEL", "INFO").upper()
LOGGING_CONFIG = None
logs.configure(LOG_LEVEL)


# Telling people (incidents/notices). A channel without its settings is passed over; the log is always there.
URL = _env("URL").rstrip("/")  # under which people reach the portal: pages and notices link there
PAGING = [name for name in _env("PAGING", "pagerduty,email,webhook,log").split(",") if name]
NOTIFIERS = {
    "pagerduty": "incidents.notices.channels.pagerduty",
    "email": "incidents.notices.channels.email",
    "webhook": "incidents.notices.channels.webhook",
    "log": "incidents.notices.log.Log",
}
PAGE_AGAIN_S = float(_env("PAGE_AGAIN_S", "300"))  # until somebody acknowledges
# Of the whole herd; above that they are held, and one page says so.
PAGES_PER_MINUTE = int(_env("PAGES_PER_MINUTE", "10"))
QUIET_HOURS = _env("QUIET_HOURS", "20-8")  # by TIME_ZONE; warnings wait for the morning
PAGERDUTY_KEY = _env("PAGERDUTY_KEY")
PAGERDUTY_URL = _env("PAGERDUTY_URL", "https://events.pagerduty.com")
PAGERDUTY_SECRETS = [secret for secret in _env("PAGERDUTY_SECRET").split(",") if secret]  # of its webhooks to us
WEBHOOK_URL, WEBHOOK_SECRET = _env("WEBHOOK_URL"), _env("WEBHOOK_SECRET")
globals().update(mail.email_settings(_env("EMAIL_URL")))
# Webhooks out (incidents/hooks): how long a delivery is tried, and how long it is kept once it is over.
HOOKS_GIVE_UP_H = float(_env("HOOKS_GIVE_UP_H", "24"))
KEEP_DELIVERIES_DAYS = int(_env("KEEP_DELIVERIES_DAYS", "30"))
# What cannot reach /metrics from this machine's loopback needs this token; so does everybody where a proxy may stand on
# this machine, since what comes through that one comes from loopback too.
METRICS_TOKEN = _env("METRICS_TOKEN")
METRICS_LOCAL = not HTTPS and {urlsplit(f"//{name}").hostname for name in ALLOWED_HOSTS} <= {
    "localhost", "127.0.0.1", "::1",
}  # fmt: skip
# Of how many databases, at most, /metrics/databases tells by name; 0: there is none.
METRICS_DATABASES = int(_env("METRICS_DATABASES", "0"))
# Whether the slow workers write a line a minute for each production database (observations/drains), and who knows the
# log_input_url of a resource: a dotted path to a function of its id.
METRICS_LINES = _env("METRICS_LINES", "1") == "1"
LOG_INPUTS = "fleet.addon.logs.known"
# What customers hear, and whether at once (send), when somebody approves (hold), or not at all (never).
NOTICES = {"opened": "never", "asked": "send", "tried": "send", "fixed": "send", "planned": "send"} | dict(
    part.partition("=")[::2] for part in _env("NOTICES").split(",") if part
)

# The add-on (fleet/addon): databases for the customers of a platform. Without a password nobody is let in.
ADDON_ID, ADDON_NAME = _env("ADDON_ID", "herdsite"), _env("ADDON_NAME", "herdsite")
ADDON_PASSWORD, ADDON_SSO_SALT = _env("ADDON_PASSWORD"), _env("ADDON_SSO_SALT")
ADDON_CLIENT_SECRET = _env("ADDON_CLIENT_SECRET")
ADDON_PREFIX = _env("ADDON_PREFIX", "HERDSITE")  # of the config var: HERDSITE_URL
ADDON_CA = _env("ADDON_CA", "0") == "1"  # a second config var, HERDSITE_CA, in the manifest and in what is pushed
ADDON_API_URL = _env("ADDON_API_URL", "https://api.heroku.com").rstrip("/")
ADDON_ID_URL = _env("ADDON_ID_URL", "https://id.heroku.com").rstrip("/")
# The platform's regions by every name that it has for them, and the zone that serves each.
ADDON_REGIONS = dict(
    pair.rsplit("=", 1)
    for pair in _env(
        "ADDON_REGIONS", "us=a,eu=b,amazon-web-services::us-east-1=a,amazon-web-services::eu-west-1=b"
    ).split(",")
    if "=" in pair
)
ADDON_LOG_DRAIN_URL = _env("ADDON_LOG_DRAIN_URL")  # where platforms shall send their apps' logs
ADDON_WAIT_S = float(_env("ADDON_WAIT_S", "2"))  # how long a request waits for a database that is soon ready
# Whether a database that the platform deprovisions counts as gone at once (now: 204), or once it is (later: 202, and
# the platform is told).
ADDON_DEPROVISION = _env("ADDON_DEPROVISION", "now")
# Whether the platform tells us of what changes there (its webhooks, at HERDSITE_URL/heroku/webhooks/…): "notify",
# "sync" (it repeats until we have heard), or not at all.
ADDON_WEBHOOKS = _env("ADDON_WEBHOOKS")
ADDON_PORT = os.environ.get("PORT", "8000")  # of the test addresses in the manifest

# No page of ours takes files; herdsite/edge bounds the rest before it is read.
FILE_UPLOAD_HANDLERS = ["herdsite.edge.uploads.NoFiles"]
# The API (fleet/api). Views say for themselves who may; what says nothing is closed. A page of docs, and its scripts,
# come from here alone.
WEB_THREADS = int(_env("WEB_THREADS", "80"))  # of each web process
API_MOST_WAITS = max(1, WEB_THREADS - 16)  # may wait for the end of something at once; the others' threads are free
API_LONGEST_WAIT_S = 60.0
API_RATE = _env("API_RATE", "600/min")  # of each token, and of each login without one
REST_FRAMEWORK: dict[str, Any] = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["fleet.api.logins.Tokens"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAdminUser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "fleet.api.problems.handle",
    "URL_FORMAT_OVERRIDE": None,
    "UNICODE_JSON": True,
}
KNOX_TOKEN_MODEL = "api.Token"
MIGRATION_MODULES: dict[str, Any] = {"knox": None}  # its own table of tokens would only be in the way
REST_KNOX = {"AUTH_HEADER_PREFIX": "Bearer", "TOKEN_PREFIX": "herd_", "TOKEN_TTL": timedelta(days=90)}
SPECTACULAR_SETTINGS = {
    "TITLE": "herdsite",
    "DESCRIPTION": "A herd of PostgreSQL databases: its objects, their state, and requests to change them.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": False,
    "SERVE_PUBLIC": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "POSTPROCESSING_HOOKS": ["fleet.api.schema.follow"],
    "PREPROCESSING_HOOKS": ["fleet.api.schema.ours"],
    "SERVERS": [{"url": URL or "/", "description": "This herd."}],
}
