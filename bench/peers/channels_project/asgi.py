"""Django Channels at its least: every WebSocket is in one group, whose messages it sends on."""

import os

import django
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

settings.configure(
    SECRET_KEY="bench",  # noqa: S106 - of no worth
    INSTALLED_APPS=["channels"],
    CHANNEL_LAYERS={
        "default": {
            "BACKEND": os.environ["LAYER"],
            # Without this, its client refuses more than a hundred subscribers that come together.
            "CONFIG": {"hosts": [{"address": os.environ["REDIS_URL"], "max_connections": 100_000}]},
        }
    },
)
django.setup()


class Subscriber(AsyncWebsocketConsumer):
    groups = ["global"]

    async def send_on(self, event):
        await self.send(text_data=event["text"])


application = ProtocolTypeRouter({"websocket": URLRouter([path("ws", Subscriber.as_asgi())])})
