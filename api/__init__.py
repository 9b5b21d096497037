# Without this import @shared_task would bind to a default app that has no broker.
from .celery import app as celery_app

__all__ = ["celery_app"]
