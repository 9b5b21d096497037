"""A real subscriber of /events/sub/, read in the test's own thread."""

import http.client
import json
from urllib.parse import urlsplit


class Subscriber:
    """Subscribed once it is made: nginx sends its header template with the subscription."""

    def __init__(self, url, *channels):
        self._connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=20)
        self._connection.request("GET", "/events/sub/" + "/".join(channels))
        self._answer = self._connection.getresponse()
        assert (self._answer.status, self._answer.readline()) == (200, b"\r\n")

    def receive(self, count):
        """The next envelopes, as they come over the wire."""
        return [json.loads(self._answer.readline()) for _ in range(count)]

    def receive_messages(self, count):
        return [envelope["text"] for envelope in self.receive(count)]

    def receive_line(self):
        return self._answer.readline()

    def close(self):
        self._answer.close()
        self._connection.close()
