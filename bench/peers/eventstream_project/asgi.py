"""django-eventstream at its least: one channel, published to by a view of the same process."""

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpResponse
from django.urls import include, path

settings.configure(
    SECRET_KEY="bench",  # noqa: S106 - of no worth
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["django_eventstream"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[],
)
django.setup()

from django_eventstream import send_event  # noqa: E402 - it reads the settings


def publish(request):
    send_event("global", "message", request.body.decode(), json_encode=False)
    return HttpResponse()


urlpatterns = [
    path("ev", include("django_eventstream.urls"), {"channels": ["global"]}),
    path("pub", publish),
]
application = get_asgi_application()
