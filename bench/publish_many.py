"""How fast messages reach a push node: `publish_many` against sockets, http.client and requests.

    python -m bench.publish_many

Each round publishes the same tweets, about 1 kB to three channels, with one POST each, to a push
node of its own; the ways take turns, and the median round counts. Takes about 15 seconds.
"""

import http.client
import socket
import tempfile
import time

import requests

from bench._comparison import free_ports, report, take_turns
from nginx.server import PushNode
from wallpush import GLOBAL, Message, Publisher, encode_message, keyword_channel, user_channel

ROUNDS = 7
DEPTH = 50
COUNTS = {
    "wallpush publish_many": 3000,
    "raw pipelined sockets": 3000,
    "http.client": 1000,
    "requests session": 400,
}
TEXT = "Pipelines, queues and a wall full of tweets: what we learned in one night. #wall " * 3


def make_messages(count):
    return [make_message(number) for number in range(count)]


def make_message(number):
    author = {"id": str(number % 50), "username": "ada_l", "name": "Ada Lovelace"}
    tweet = {"type": "tweet", "id": str(number), "text": TEXT, "lang": "en", "author": author}
    body = encode_message(tweet | {"entities": [], "media": [], "url": "https://example.com/" * 20})
    channels = (GLOBAL, user_channel(author["id"]), keyword_channel("wall"))
    return Message(channels, body, f"Fri, 20 Nov 2026 10:00:00 GMT|{number}")


def path_of(message):
    return "/events/pub/" + "/".join(message.channels)


def publish_with_wallpush(node, messages):
    with Publisher(node.publish_url) as publisher:
        outcomes = publisher.publish_many(messages)
    assert all(outcome.ok for outcome in outcomes)


def publish_with_raw_sockets(node, messages):
    """As fast as Python can: requests made in advance, answers only counted."""
    requests_ = [raw_request(message) for message in messages]
    with socket.create_connection((node.publish_address, node.publish_port)) as sock:
        for start in range(0, len(requests_), DEPTH):
            batch = requests_[start : start + DEPTH]
            sock.sendall(b"".join(batch))
            answered = b""
            while answered.count(b"HTTP/1.1 200") < len(batch) or not answered.endswith(b"]}\r\n"):
                answered += sock.recv(65536)


def raw_request(message):
    return (
        f"POST {path_of(message)} HTTP/1.1\r\nHost: localhost\r\nEvent-Id: {message.event_id}\r\n"
        f"Content-Length: {len(message.body)}\r\n\r\n"
    ).encode() + message.body


def publish_with_http_client(node, messages):
    connection = http.client.HTTPConnection(node.publish_address, node.publish_port)
    for message in messages:
        headers = {"Event-Id": message.event_id}
        connection.request("POST", path_of(message), message.body, headers)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
    connection.close()


def publish_with_requests(node, messages):
    with requests.Session() as session:
        for message in messages:
            session.post(
                node.publish_url + path_of(message),
                data=message.body,
                headers={"Event-Id": message.event_id},
                timeout=5,
            ).raise_for_status()


WAYS = {
    "wallpush publish_many": publish_with_wallpush,
    "raw pipelined sockets": publish_with_raw_sockets,
    "http.client": publish_with_http_client,
    "requests session": publish_with_requests,
}


def measure(node, way):
    messages = make_messages(COUNTS[way])
    start = time.perf_counter()
    WAYS[way](node, messages)
    seconds = time.perf_counter() - start
    check_arrival(node, len(messages))
    return len(messages) / seconds


def check_arrival(node, count):
    """Each way has published all of it, and leaves nothing for the next one."""
    with Publisher(node.publish_url) as publisher:
        assert publisher.channel_info(GLOBAL).published_messages == count
        publisher.delete_channel(GLOBAL)


def main():
    publish_port, subscribe_port = free_ports()
    with tempfile.TemporaryDirectory() as folder:
        node = PushNode(folder, publish_port=publish_port, subscribe_port=subscribe_port)
        rates = take_turns(node, list(WAYS), measure, rounds=ROUNDS)
    title = "messages/s to 3 channels, one POST each"
    report(
        "publish_many",
        node,
        title,
        rates,
        ours="wallpush publish_many",
        other="raw pipelined sockets",
    )


if __name__ == "__main__":
    main()
