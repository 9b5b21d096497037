"""https push URLs: a real nginx in front of the push node speaks TLS."""

import os
import ssl

import pytest

from nginx.server import Server
from tests.conftest import free_ports
from tests.wallpush.peers import stay_silent
from wallpush import Message, Publisher, TimedOut, Unreachable

CONFIGURATION = """
{user}
pid "{folder}/nginx.pid";
error_log "{folder}/error.log" warn;
events {{ }}
http {{
    access_log off;
    client_body_temp_path "{folder}/tmp/body";
    proxy_temp_path "{folder}/tmp/proxy";
    fastcgi_temp_path "{folder}/tmp/fastcgi";
    uwsgi_temp_path "{folder}/tmp/uwsgi";
    scgi_temp_path "{folder}/tmp/scgi";
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate "{certificate}";
        ssl_certificate_key "{key}";
        location / {{ proxy_pass {push_node}; }}
    }}
}}
"""


class TlsFront(Server):
    def __init__(self, folder, push_node, certificate, key):
        super().__init__(folder)
        [self.port] = free_ports(1)
        self.push_node = push_node
        self.certificate = certificate
        self.key = key

    @property
    def url(self):
        return f"https://localhost:{self.port}"

    def addresses(self):
        return [("127.0.0.1", self.port)]

    def configuration(self):
        return CONFIGURATION.format(
            user="user root;" if os.geteuid() == 0 else "",
            folder=self.folder,
            port=self.port,
            certificate=self.certificate,
            key=self.key,
            push_node=self.push_node.publish_url,
        )


@pytest.fixture(scope="module")
def certificate(make_certificate):
    return make_certificate("DNS:localhost")


@pytest.fixture
def tls_front(tmp_path_factory, push_node, certificate):
    front = TlsFront(tmp_path_factory.mktemp("tls-front"), push_node, *certificate)
    yield front.start()
    front.stop()


@pytest.fixture
def trusting(certificate):
    return ssl.create_default_context(cafile=certificate[0])


def test_publish_over_tls(tls_front, trusting, subscribe):
    subscriber = subscribe("global")
    with Publisher(tls_front.url, ssl_context=trusting) as publisher:
        assert publisher.publish("global", "one").subscribers == 1
        assert publisher.publish("global", "two").subscribers == 1

    assert subscriber.receive_messages(2) == ["one", "two"]


def test_publish_many_over_tls(tls_front, trusting):
    """nginx closes after 1000 requests here: its default."""
    with Publisher(tls_front.url, ssl_context=trusting) as publisher:
        outcomes = publisher.publish_many(Message("global", "x" * 5000) for _ in range(1100))
        info = publisher.channel_info("global")

    assert {outcome.ok for outcome in outcomes} == {True}
    assert info.published_messages >= 1100


def test_an_idle_tls_connection_that_the_node_closed(tls_front, trusting):
    with Publisher(tls_front.url, ssl_context=trusting) as publisher:
        publisher.publish("global", 1)
        tls_front.stop()
        tls_front.start()

        assert publisher.publish("global", 2).channels[0].published_messages == 2


def test_a_certificate_that_nobody_vouches_for(tls_front):
    with Publisher(tls_front.url) as publisher, pytest.raises(Unreachable) as caught:
        publisher.publish("global", 1)

    assert str(caught.value) == (
        f"{tls_front.url}: its certificate is not trusted (self-signed certificate); "
        "give the right authority in ssl_context, or correct the host name."
    )


def test_a_certificate_for_another_host(tls_front, trusting):
    url = tls_front.url.replace("localhost", "127.0.0.1")
    with (
        Publisher(url, ssl_context=trusting) as publisher,
        pytest.raises(Unreachable, match=r"not trusted \(IP address mismatch"),
    ):
        publisher.publish("global", 1)


def test_a_node_without_tls(push_node, trusting):
    url = push_node.publish_url.replace("http", "https")
    with (
        Publisher(url, ssl_context=trusting) as publisher,
        pytest.raises(Unreachable, match=r"no TLS there .*; is it an http:// address\?"),
    ):
        publisher.publish("global", 1)


def test_a_handshake_that_never_ends(make_peer, trusting):
    url = make_peer(stay_silent).url.replace("http", "https")
    with (
        Publisher(url, timeout=0.2, ssl_context=trusting) as publisher,
        pytest.raises((TimedOut, Unreachable), match="no connection in time"),
    ):
        publisher.publish("global", 1)
