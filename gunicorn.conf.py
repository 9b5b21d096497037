"""Read by gunicorn when it is started in this folder: `gunicorn api.wsgi`."""

# Reading the settings here tells a wrong one before anything starts, not once in every worker.
from api.settings import WALLPUSH_DJANGO_PORT

bind = f"127.0.0.1:{WALLPUSH_DJANGO_PORT}"
workers = 2
threads = 4
