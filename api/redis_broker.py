"""Celery's Redis transport, made safe against a Redis that dies under a worker."""

import logging

from kombu.transport import redis
from redis.exceptions import ConnectionError, RedisError

logger = logging.getLogger(__name__)


class Channel(redis.Channel):
    # On a connection that is gone there is no way to give tasks back, and an old one is worth nothing.
    do_restore = False

    def _connparams(self, asynchronous=False):
        """Whoever lost the connection tries again. Of kombu's own error, an AttributeError, the worker dies."""
        if self.connection is None or self.connection.client is None:
            raise ConnectionError("The connection to Redis is closed.")
        return super()._connparams(asynchronous)

    def _delete(self, queue, *args, **kwargs):
        """A queue of a connection that is closed. In the midst of closing, an error would leave the rest open."""
        try:
            super()._delete(queue, *args, **kwargs)
        except RedisError as error:
            logger.debug("The queue %s is not deleted: %s", queue, error)

    def basic_ack(self, delivery_tag, multiple=False):
        """What is not acknowledged comes again, and is thrown away as too old."""
        try:
            super().basic_ack(delivery_tag, multiple=multiple)
        except RedisError as error:
            logger.debug("A task is not acknowledged: %s", error)


class Transport(redis.Transport):
    Channel = Channel
