"""The Celery app: `celery -A api worker --source replay`."""

import os

from celery import Celery
from click import Option
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "api.settings")

# kombu's own can be read half written, or do not survive the loss of a connection.
TRANSPORT_ALIASES |= {
    "filesystem": "api.broker:Transport",
    "redis": "api.redis_broker:Transport",
    "rediss": "api.redis_broker:Transport",
    "amqp": "api.amqp_broker:Transport",
    "amqps": "api.amqp_broker:SSLTransport",
}

app = Celery("wallpush")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
app.user_options["worker"].add(
    Option(
        ("--source",),
        help="Read these sources too, separated by commas: replay, x, bluesky."
        " One worker reads each, others stand by.",
    )
)
# By name: they need Django's models, which are not loaded yet when this module is.
steps = ("SourceStep", "SweepStep", "CatchUpStep", "CanaryStep", "RetentionStep")
app.steps["worker"].update(f"api.worker:{step}" for step in steps)
