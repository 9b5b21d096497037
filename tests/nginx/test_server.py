"""What the two configurations promise, asked of the running nginx."""

import json
import os
import socket
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
import requests

from nginx.errors import NginxError
from tests.e2e.processes import children

TRANSPORTS = ["ws", "ev", "lp", "sub"]


def publish(push_node, channels, body, **headers):
    return requests.post(
        f"{push_node.publish_url}/events/pub/{channels}", data=body, headers=headers, timeout=5
    )


def read_stream(url, *, lines):
    """The first `lines` that hold something; the subscription stands before anything is yielded."""
    with requests.get(url, stream=True, timeout=10) as response:
        found = (line for line in response.iter_lines() if line.strip(b"\r\n "))
        yield response
        for _ in range(lines):
            yield next(found)


def subscribe_websocket(base, path):
    """A handshake by hand: nginx's answer is what is under test, not a client library."""
    host, port = base.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=10)
    connection.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    reader = connection.makefile("rb")
    status = int(reader.readline().split()[1])
    while reader.readline() not in (b"\r\n", b""):
        pass
    return connection, reader, status


def read_frame(reader):
    head, length = reader.read(2)
    assert head == 0x81
    if length == 126:
        length = int.from_bytes(reader.read(2), "big")
    return reader.read(length)


def test_stream_through_the_front_is_one_envelope_a_line(push_node, front):
    lines = read_stream(f"{front.url}/events/sub/global", lines=2)
    response = next(lines)
    publish(push_node, "global/user-1", '{"hello":1}', **{"Event-Id": "a|1"})
    publish(push_node, "global", '{"hello":2}')
    first, second = [json.loads(line) for line in lines]
    assert response.headers["Content-Type"] == "application/x-ndjson"
    assert list(first) == ["id", "channel", "text", "tag", "time", "eventid"]
    assert (first["channel"], first["text"], first["eventid"]) == ("global", {"hello": 1}, "a|1")
    assert (second["id"], second["text"], second["eventid"]) == (2, {"hello": 2}, "")


def test_eventsource_through_the_front(push_node, front):
    lines = read_stream(f"{front.url}/events/ev/global", lines=3)
    response = next(lines)
    publish(push_node, "global", '{"hello":1}', **{"Event-Id": "a|1"})
    assert response.headers["Content-Type"].startswith("text/event-stream")
    fields = dict(line.split(b": ", 1) for line in lines)
    assert fields[b"id"] == b"a|1"
    assert json.loads(fields[b"data"])["text"] == {"hello": 1}


def test_long_polling_through_the_front_resumes_where_it_was(push_node, front):
    for number in (1, 2, 3):
        publish(push_node, "global", f'{{"hello":{number}}}', **{"Event-Id": f"e{number}"})
    url = f"{front.url}/events/lp/global"
    rest = requests.get(url, params={"eventid": "e1"}, timeout=10)
    assert [json.loads(line)["text"]["hello"] for line in rest.text.splitlines()] == [2, 3]
    publish(push_node, "global", '{"hello":4}')
    headers = {
        "If-Modified-Since": rest.headers["Last-Modified"],
        "If-None-Match": rest.headers["Etag"],
    }
    assert json.loads(requests.get(url, headers=headers, timeout=10).text)["text"] == {"hello": 4}


def test_websocket_through_the_front(push_node, front):
    connection, reader, status = subscribe_websocket(front.url, "/events/ws/global/keyword-x")
    with connection, reader:
        publish(push_node, "keyword-x", '{"hello":1}')
        assert status == 101
        envelope = json.loads(read_frame(reader))
    assert (envelope["channel"], envelope["text"]) == ("keyword-x", {"hello": 1})


def first_envelope(base, transport, query):
    path = f"/events/{transport}/global?{urlencode(query, quote_via=quote)}"
    if transport == "ws":
        connection, reader, _ = subscribe_websocket(base, path)
        with connection, reader:
            return json.loads(read_frame(reader))
    with requests.get(base + path, stream=True, timeout=10) as response:
        return next(
            json.loads(line.removeprefix(b"data: "))
            for line in response.iter_lines()
            if line.startswith((b"{", b"data: "))
        )


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_resume_by_date_when_the_event_id_is_not_stored(push_node, front, transport):
    published = publish(push_node, "global", '{"hello":1}', **{"Event-Id": "e1"})
    publish(push_node, "user-1", '{"hello":2}')
    query = {"eventid": f"{published.headers['Date']}|no-such-id"}
    assert first_envelope(front.url, transport, query)["text"] == {"hello": 1}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    "channels",
    ["private-x", "global/private-x", "ALL", "_ctl", "a.b5", "a*", "/".join("abcdefghijk")],
)
def test_subscribing_to_what_is_not_public_is_refused(front, transport, channels):
    response = requests.get(f"{front.url}/events/{transport}/{channels}", timeout=5)
    assert response.status_code == 403
    assert "No channel of that name" in response.text


@pytest.mark.parametrize("path", ["/events/pub/global", "/events/stats", "/events/stats/global"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_publishing_and_statistics_are_refused_on_the_front(front, method, path):
    assert requests.request(method, front.url + path, data="{}", timeout=5).status_code == 403


@pytest.mark.parametrize("path", ["/events/canary", "/events/sub/private-canary"])
def test_front_does_not_lead_to_the_canary(front, path):
    assert requests.get(front.url + path, timeout=5).status_code == 403


def test_canary_tells_which_worker_of_nginx_holds_it(make_push_node):
    push_node = make_push_node(workers=2)
    statistics = f"{push_node.publish_url}/events/stats"
    # Before each has written down its own, they do not reach each other.
    while len(requests.get(statistics, timeout=5).json()["by_worker"]) < 2:
        pass
    lines = read_stream(f"{push_node.subscribe_url}/events/canary", lines=1)
    response = next(lines)
    publish(push_node, "private-canary", '{"id":"1"}')
    assert json.loads(next(lines))["text"] == {"id": "1"}
    assert int(response.headers["X-Push-Worker"]) in children(push_node.pid)


@pytest.mark.parametrize("path", ["/events/pub/global", "/events/stats", "/events/stats/global"])
def test_publishing_and_statistics_are_unknown_where_subscribers_connect(push_node, path):
    assert requests.post(push_node.subscribe_url + path, data="{}", timeout=5).status_code == 404


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_posting_to_a_subscriber_address_is_refused(push_node, front, transport):
    url = f"{front.url}/events/{transport}/global"
    assert requests.post(url, data="{}", timeout=5).status_code == 403


@pytest.mark.parametrize("server", ["publish_port", "subscribe_port"])
def test_push_node_listens_on_loopback_only(push_node, server):
    port = getattr(push_node, server)
    addresses = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()]
    assert {a for a in addresses if a.endswith(f":{port:04X}")} == {f"0100007F:{port:04X}"}


@pytest.mark.parametrize(
    "header",
    [{"Origin": "https://example.com"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}],
)
def test_publishing_from_a_web_page_is_refused(push_node, header):
    assert publish(push_node, "global", "{}", **header).status_code == 403


def test_jsonp_and_the_mode_header_are_refused(push_node):
    url = f"{push_node.subscribe_url}/events/lp/global"
    assert requests.get(url, params={"callback": "alert"}, timeout=5).status_code == 400
    headers = {"X-Nginx-PushStream-Mode": "polling"}
    assert requests.get(url, headers=headers, timeout=5).status_code == 400


def test_message_of_more_than_64_kb_is_refused(push_node):
    assert publish(push_node, "global", b'"' + b"x" * 65_536 + b'"').status_code == 413


def test_statistics_on_the_publish_address(push_node):
    publish(push_node, "global", "{}")
    statistics = requests.get(f"{push_node.publish_url}/events/stats", timeout=5).json()
    assert (statistics["published_messages"], statistics["subscribers"]) == (1, 0)


def test_front_serves_the_wall_with_a_strict_policy(front):
    response = requests.get(front.url + "/", timeout=5)
    assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy


def test_front_is_reloaded_without_losing_a_subscriber(push_node, front):
    lines = read_stream(f"{front.url}/events/sub/global", lines=2)
    next(lines)
    publish(push_node, "global", '{"hello":1}')
    assert json.loads(next(lines))["text"] == {"hello": 1}
    os.kill(front.pid, 1)
    publish(push_node, "global", '{"hello":2}')
    assert json.loads(next(lines))["text"] == {"hello": 2}


def test_push_node_restarts_on_its_port_with_an_empty_store(push_node):
    publish(push_node, "global", "{}")
    push_node.stop()
    push_node.start()
    statistics = requests.get(f"{push_node.publish_url}/events/stats", timeout=5).json()
    assert statistics["published_messages"] == 0


def test_a_configuration_that_nginx_refuses_says_why(make_push_node):
    node = make_push_node(start=False, shared_memory="6G")
    with pytest.raises(NginxError, match="push_stream_shared_memory_size"):
        node.start()


def test_logs_are_in_the_folder(push_node):
    assert (push_node.folder / "error.log").is_file()


@pytest.mark.parametrize(
    ("address", "host"), [("0.0.0.0", "127.0.0.1"), ("::1", "[::1]"), ("::", "[::1]")]
)
def test_front_on_another_address_is_reached_at_its_url(push_node, make_front, address, host):
    front = make_front(push_node, address=address)
    assert front.url == f"http://{host}:{front.port}"
    assert requests.get(f"{front.url}/events/sub/ALL", timeout=5).status_code == 403
