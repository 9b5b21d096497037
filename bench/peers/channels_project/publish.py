"""Sends each line of its input to the group, as a worker of its own does."""

import asyncio
import sys

from asgi import application  # noqa: F401 - it makes the settings
from channels.layers import get_channel_layer


async def main():
    layer, loop = get_channel_layer(), asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        await layer.group_send("global", {"type": "send_on", "text": line.strip()})


asyncio.run(main())
