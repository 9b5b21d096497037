"""Celery's transport for RabbitMQ, which takes the loss of a connection for what it is: nothing to trace."""

import logging

from kombu.transport import pyamqp

logger = logging.getLogger(__name__)


class Channel(pyamqp.Channel):
    def basic_ack(self, delivery_tag, multiple=False, argsig="Lb"):
        """What is not acknowledged comes again, and is thrown away as too old."""
        try:
            super().basic_ack(delivery_tag, multiple, argsig)
        except pyamqp.Transport.connection_errors as error:
            logger.debug("A task is not acknowledged: %s", error)


class Connection(pyamqp.Connection):
    Channel = Channel


class Transport(pyamqp.Transport):
    Connection = Connection


class SSLTransport(pyamqp.SSLTransport):
    Connection = Connection
