"""The part of the REST API that the wall reads, for what the real one never answers: hostile data, outages."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

PAGE = 100


class RestServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.thread = Thread(target=self.serve_forever, args=(0.01,))

        self.clear()

    def clear(self):
        self.changes = []
        self.wall = {"title": "Lighthouse Conf", "subtitle": "Post with #Lighthouse"}
        self.status = HTTPStatus.OK
        self.requests = []

    @property
    def address(self):
        return f"127.0.0.1:{self.server_address[1]}"

    def store(self, *resources):
        self.changes.extend(resources)

    def stop(self):
        self.shutdown()
        self.thread.join()
        self.server_close()

    def first_page(self, limit):
        latest = {change["id"]: change for change in self.changes}
        tweets = [change for change in latest.values() if change["type"] == "tweet"]
        tweets.sort(key=lambda tweet: tweet["created_at"], reverse=True)
        return {"results": tweets[:limit], "after": str(len(self.changes))}

    def changes_after(self, start):
        end = min(start + PAGE, len(self.changes))
        more = end < len(self.changes)
        return {"results": self.changes[start:end], "after": str(end), "more": more}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        url = urlsplit(self.path)
        query = dict(parse_qsl(url.query))
        self.server.requests.append((url.path, query))
        if self.server.status != HTTPStatus.OK:
            self.answer({"detail": "out of order"})
        elif url.path == "/api/wall/":
            self.answer(self.server.wall)
        elif "after" in query:
            self.answer(self.server.changes_after(int(query["after"])))
        else:
            self.answer(self.server.first_page(int(query["limit"])))

    def answer(self, content):
        body = json.dumps(content).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass
