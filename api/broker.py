"""Celery's filesystem transport, made safe against a process that dies while it writes a message."""

import logging
import os
import uuid
from pathlib import Path
from queue import Empty

from kombu.exceptions import ChannelError
from kombu.transport import filesystem
from kombu.utils.encoding import str_to_bytes
from kombu.utils.json import dumps

LONGEST_WAIT = 0.2

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    complaint = ""

    def _put(self, queue, payload, **kwargs):
        """Under another name first: a reader that finds half a message ends its worker."""
        folder = Path(self.data_folder_out)
        name = f"{uuid.uuid1().time}_{uuid.uuid4()}"
        draft = folder / f"{name}.draft"
        try:
            draft.write_bytes(str_to_bytes(dumps(payload)))
            os.replace(draft, folder / f"{name}.{queue}.msg")
        except OSError as error:
            raise ChannelError(f"Cannot add a message to {folder}: {error}") from error

    def _get(self, queue):
        try:
            return super()._get(queue)
        except ValueError:
            logger.warning("A message of the broker was cut off and is ignored.")
        except OSError as error:
            self._complain(error)
        raise Empty

    def _complain(self, error):
        """Once, not at every look: a worker goes on without its broker."""
        if self.complaint != str(error):
            self.complaint = str(error)
            logger.error("The broker's folder can not be read: %s", error)


class Transport(filesystem.Transport):
    Channel = Channel

    def drain_events(self, connection, timeout=None):
        """Celery waits 2 s at a time, and twice more after it was told to stop."""
        if timeout is not None:
            timeout = min(timeout, LONGEST_WAIT)
        return super().drain_events(connection, timeout=timeout)
