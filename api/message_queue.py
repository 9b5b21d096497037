"""Between the thread that reads a source and the one that stores."""

from collections import deque
from threading import Condition


class MessageQueue:
    """Bounded by number and by bytes: when storing is slower than reading, reading waits."""

    def __init__(self, *, max_messages=5_000, max_bytes=16_000_000):
        self.max_messages = max_messages
        self.max_bytes = max_bytes
        self.closed = False
        self._messages = deque()
        self._bytes = 0
        self._changed = Condition()

    def put(self, message):
        """False once the queue is closed: the message was not taken."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._has_room(len(message)))
            if self.closed:
                return False
            self._messages.append(message)
            self._bytes += len(message)
            self._changed.notify_all()
            return True

    def take(self, *, max_messages=1_000, max_bytes=4_000_000):
        """Whatever has arrived, at least one message. An empty list once the queue is closed and empty."""
        with self._changed:
            self._changed.wait_for(lambda: self.closed or self._messages)
            batch, size = [], 0
            while self._messages and len(batch) < max_messages and size < max_bytes:
                batch.append(self._messages.popleft())
                size += len(batch[-1])
            self._bytes -= size
            self._changed.notify_all()
            return batch

    def close(self):
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def __len__(self):
        return len(self._messages)

    def _has_room(self, size):
        if not self._messages:
            return True
        return len(self._messages) < self.max_messages and self._bytes + size <= self.max_bytes
