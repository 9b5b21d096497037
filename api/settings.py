"""Settings from the environment, or from `.env` in the project folder. `.env.example` explains each."""

import os
from pathlib import Path
from urllib.parse import quote

from .environment import (
    LOG_LEVELS,
    Environment,
    broker_options,
    filesystem_broker,
    keep_secret_key,
)
from .sources import SOURCES
from .sources.bluesky import HOSTS as BLUESKY_HOSTS

PROJECT = Path(__file__).resolve().parent.parent
env = Environment(PROJECT / os.environ.get("WALLPUSH_ENV_FILE", ".env"))

WALLPUSH_VAR = env.folder("WALLPUSH_VAR", "var", base=PROJECT) or PROJECT
WALLPUSH_DEBUG = env.flag("WALLPUSH_DEBUG", "false")
WALLPUSH_LOG_LEVEL = env.choice("WALLPUSH_LOG_LEVEL", "INFO", choices=LOG_LEVELS)

WALLPUSH_SOURCE = env.choices("WALLPUSH_SOURCE", "replay", choices=SOURCES)
WALLPUSH_REPLAY_FILE = env.file(
    "WALLPUSH_REPLAY_FILE", Path("api/sources/sample/conference.jsonl"), base=PROJECT
)
WALLPUSH_REPLAY_SPEED = env.positive("WALLPUSH_REPLAY_SPEED", "1", unit="messages per second")
WALLPUSH_REPLAY_LOOP = env.flag("WALLPUSH_REPLAY_LOOP", "true")
WALLPUSH_X_BASE_URL = env.web_address("WALLPUSH_X_BASE_URL", "https://api.x.com")
WALLPUSH_X_BEARER_TOKEN = env.str("WALLPUSH_X_BEARER_TOKEN", "").strip()
WALLPUSH_X_TAG_PREFIX = env.tag_prefix("WALLPUSH_X_TAG_PREFIX", "wallpush:")
WALLPUSH_X_RETWEETS = env.flag("WALLPUSH_X_RETWEETS", "true")
WALLPUSH_X_DAILY_BUDGET = env.optional_amount("WALLPUSH_X_DAILY_BUDGET", "")
WALLPUSH_X_POST_PRICE = env.amount("WALLPUSH_X_POST_PRICE", "0.005")
WALLPUSH_X_USER_PRICE = env.amount("WALLPUSH_X_USER_PRICE", "0.010")
WALLPUSH_X_RECHECK_MINUTES = env.positive("WALLPUSH_X_RECHECK_MINUTES", "15", unit="minutes")
WALLPUSH_X_RECHECK_READS = env.whole("WALLPUSH_X_RECHECK_READS", "5000")
WALLPUSH_X_CONSUMER_KEY = env.str("WALLPUSH_X_CONSUMER_KEY", "").strip()
WALLPUSH_X_CONSUMER_SECRET = env.str("WALLPUSH_X_CONSUMER_SECRET", "").strip()
WALLPUSH_X_ACCESS_TOKEN = env.str("WALLPUSH_X_ACCESS_TOKEN", "").strip()
WALLPUSH_X_ACCESS_TOKEN_SECRET = env.str("WALLPUSH_X_ACCESS_TOKEN_SECRET", "").strip()
WALLPUSH_X_LIST = env.str("WALLPUSH_X_LIST", "").strip()
WALLPUSH_BLUESKY_URLS = env.socket_addresses("WALLPUSH_BLUESKY_URLS", ",".join(BLUESKY_HOSTS))
WALLPUSH_BLUESKY_API_URL = env.web_address(
    "WALLPUSH_BLUESKY_API_URL", "https://public.api.bsky.app"
)
WALLPUSH_KEYWORDS = env.tracks("WALLPUSH_KEYWORDS", "")
WALLPUSH_COUNTRY = env.country("WALLPUSH_COUNTRY", "")
WALLPUSH_RETENTION_DAYS = env.whole("WALLPUSH_RETENTION_DAYS", "0")
env.require(
    "x" not in (WALLPUSH_SOURCE or ()) or WALLPUSH_X_BEARER_TOKEN,
    "WALLPUSH_X_BEARER_TOKEN must hold the bearer token of an app at X when WALLPUSH_SOURCE names x.",
)

WALLPUSH_FRONT_ADDRESS = env.address("WALLPUSH_FRONT_ADDRESS", "127.0.0.1")
WALLPUSH_FRONT_PORT = env.port("WALLPUSH_FRONT_PORT", "8000")
WALLPUSH_PUSH_PORT = env.port("WALLPUSH_PUSH_PORT", "8001")
WALLPUSH_SUBSCRIBE_PORT = env.port("WALLPUSH_SUBSCRIBE_PORT", "8002")
WALLPUSH_DJANGO_PORT = env.port("WALLPUSH_DJANGO_PORT", "8003")
env.require_distinct(
    WALLPUSH_FRONT_PORT=WALLPUSH_FRONT_PORT,
    WALLPUSH_PUSH_PORT=WALLPUSH_PUSH_PORT,
    WALLPUSH_SUBSCRIBE_PORT=WALLPUSH_SUBSCRIBE_PORT,
    WALLPUSH_DJANGO_PORT=WALLPUSH_DJANGO_PORT,
)
WALLPUSH_PUSH_MEMORY = env.memory("WALLPUSH_PUSH_MEMORY", "512M")
WALLPUSH_PUBLISH_URLS = env.push_addresses(
    "WALLPUSH_PUBLISH_URLS", f"http://127.0.0.1:{WALLPUSH_PUSH_PORT or 8001}"
)
WALLPUSH_SUBSCRIBE_URLS = env.push_addresses("WALLPUSH_SUBSCRIBE_URLS", "")
env.require(
    len(WALLPUSH_SUBSCRIBE_URLS or ()) in (0, len(WALLPUSH_PUBLISH_URLS or ())),
    "WALLPUSH_SUBSCRIBE_URLS must name one address for each of WALLPUSH_PUBLISH_URLS, in their order.",
)
WALLPUSH_PUBLISH_TIMEOUT = env.positive("WALLPUSH_PUBLISH_TIMEOUT", "5", unit="seconds")
WALLPUSH_EVENTS_URL = env.optional_web_address("WALLPUSH_EVENTS_URL", "")

WALLPUSH_WALL_TITLE = env.str("WALLPUSH_WALL_TITLE", "wallpush")
WALLPUSH_WALL_SUBTITLE = env.str("WALLPUSH_WALL_SUBTITLE", "")

WALLPUSH_ALLOWED_HOSTS = env.hosts("WALLPUSH_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
WALLPUSH_SECRET_KEY = env.str("WALLPUSH_SECRET_KEY", "")
DATABASES = {
    "default": env.database(
        "DATABASE_URL", f"sqlite:///{quote(str(WALLPUSH_VAR / 'db.sqlite3'))}", base=PROJECT
    )
}
CELERY_BROKER_URL = env.broker("CELERY_BROKER_URL", "filesystem://")

env.stop_if_wrong()

DEBUG = WALLPUSH_DEBUG
SECRET_KEY = WALLPUSH_SECRET_KEY or keep_secret_key(WALLPUSH_VAR / "secret_key")
ALLOWED_HOSTS = WALLPUSH_ALLOWED_HOSTS
# For an https:// in front of ours; plain http needs none, as the host and port stay the same.
CSRF_TRUSTED_ORIGINS = [
    f"https://{'*' if host.startswith('.') else ''}{host}" for host in ALLOWED_HOSTS if host != "*"
]
# Django listens on the loopback address only, and the front always sets this header itself.
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
X_FRAME_OPTIONS = "DENY"

ROOT_URLCONF = "api.urls"
WSGI_APPLICATION = "api.wsgi.application"
INSTALLED_APPS = [
    "api",  # before those whose templates it replaces
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("MinimumLengthValidator", "CommonPasswordValidator", "NumericPasswordValidator")
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = WALLPUSH_VAR / "static"

REST_FRAMEWORK = {
    # JSON first: what asks for nothing special, as curl does, gets it. A browser asks for HTML.
    "DEFAULT_RENDERER_CLASSES": [
        "api.renderers.MessageRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
    "DEFAULT_PARSER_CLASSES": [],
    "DEFAULT_AUTHENTICATION_CLASSES": [],
    "DEFAULT_PERMISSION_CLASSES": [],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "UNAUTHENTICATED_USER": None,
    # No ?format=: the Accept header says it, and every parameter but the documented ones is refused.
    "URL_FORMAT_OVERRIDE": None,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "wallpush",
    "DESCRIPTION": "The tweets of a live wall. What is pushed to browsers is what is returned here.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    # Without this, the page asks a host of others to validate the schema.
    "SWAGGER_UI_SETTINGS": {"validatorUrl": None, "deepLinking": True},
}

EMBEDDED_BROKER = CELERY_BROKER_URL.startswith("filesystem://")
if EMBEDDED_BROKER:
    CELERY_BROKER_TRANSPORT_OPTIONS = filesystem_broker(WALLPUSH_VAR / "broker")
else:
    CELERY_BROKER_TRANSPORT_OPTIONS = broker_options(CELERY_BROKER_URL)
CELERY_BROKER_CONNECTION_TIMEOUT = 2
# Celery gives up after 100 attempts, and its worker with it.
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
# RabbitMQ that is gone without a word is noticed after two of these.
CELERY_BROKER_HEARTBEAT = 10
CELERY_TASK_SERIALIZER = CELERY_RESULT_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_IGNORE_RESULT = True
# What a worker that died has not published, the sweep finds, sooner than the task comes again.
CELERY_TASK_ACKS_LATE = False
# Cancels those with late acknowledgement, so none.
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = True
# The sweep finds what a lost task would have published: nobody waits for a broker that is gone.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
# Seconds that the worker's timer sleeps; one that is told to stop waits for it.
CELERY_WORKER_TIMER_PRECISION = 0.2
# Broadcast queues would leave files behind in the broker's folder whenever a worker is killed.
CELERY_WORKER_ENABLE_REMOTE_CONTROL = not EMBEDDED_BROKER
CELERY_WORKER_HIJACK_ROOT_LOGGER = False

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["console"], "level": WALLPUSH_LOG_LEVEL},
    "loggers": {
        # Django's own handlers off: one line per event, here.
        "django": {"handlers": [], "propagate": True},
        "django.request": {"level": "ERROR"},
        # At every connection it warns that a broker in a folder has no host name.
        "kombu.connection": {"level": "ERROR"},
        # A traceback for every stranger with a wrong host name; they are told in the answer.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
        "urllib3": {"level": "WARNING"},
        # Two lines for every task; the ingest says now and then what came in.
        "celery.worker.strategy": {"level": "WARNING"},
        "celery.app.trace": {"level": "WARNING"},
        # One for every task that came too late.
        "celery.worker.request": {"level": "WARNING"},
        # At DEBUG it prints the bearer token.
        "tweepy": {"level": "INFO"},
    },
}
