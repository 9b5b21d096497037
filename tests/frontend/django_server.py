"""Django itself behind the front, in a thread: it has the database and the settings of the test."""

from threading import Thread

from django.core.servers.basehttp import ThreadedWSGIServer
from django.test.testcases import QuietWSGIRequestHandler

from api.wsgi import application


class DrainingServer(ThreadedWSGIServer):
    # An outage begins when the last answer is given.
    daemon_threads = False


class DjangoServer:
    def __init__(self, port):
        self.port = port
        self.server = None
        self.thread = None

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        self.server = DrainingServer(("127.0.0.1", self.port), QuietWSGIRequestHandler)
        self.server.set_app(application)
        self.thread = Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()
        return self

    def stop(self):
        if self.server is None:
            return
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
        self.server = None
