import signal
import socket
import subprocess

import pytest
from playwright.sync_api import sync_playwright

from nginx.server import Front, PushNode

# Whoever starts the tests in the background may have Ctrl-C ignored, and every program that they start with it.
signal.signal(signal.SIGINT, signal.default_int_handler)

CHROMIUM = {
    "executable_path": "/usr/bin/chromium",
    # It may not look for updates: no test may leave this machine. Root has no sandbox.
    "args": ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync"],
}  # fmt: skip


def free_ports(count):
    """Ports that nothing listens on; the kernel does not hand out one twice in a row."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.fixture
def make_push_node(tmp_path_factory):
    """Starts real push nodes, each in a folder of its own; `start=False` leaves that to the test."""
    nodes = []

    def make(*, start=True, **options):
        publish_port, subscribe_port = free_ports(2)
        options = {"shared_memory": "64M"} | options
        folder = tmp_path_factory.mktemp("push-node")
        node = PushNode(folder, publish_port=publish_port, subscribe_port=subscribe_port, **options)
        nodes.append(node)
        return node.start() if start else node

    yield make
    for node in nodes:
        node.stop()


@pytest.fixture
def push_node(make_push_node):
    return make_push_node()


@pytest.fixture
def make_front(tmp_path_factory):
    """Starts real fronts before a push node and, where the test has one, Django ("host:port")."""
    fronts = []

    def make(push_node, *, django="127.0.0.1:9", **options):
        [port] = free_ports(1)
        options = {"static": tmp_path_factory.mktemp("static")} | options
        front = Front(
            tmp_path_factory.mktemp("front"),
            port=port,
            push_node=f"127.0.0.1:{push_node.subscribe_port}",
            django=django,
            **options,
        )
        fronts.append(front)
        return front.start()

    yield make
    for front in fronts:
        front.stop()


@pytest.fixture
def front(make_front, push_node):
    return make_front(push_node)


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page in a fresh profile. An error that a script of it did not handle fails the test."""
    context = chromium.new_context(viewport={"width": 1920, "height": 1080})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture(scope="session")
def make_certificate(tmp_path_factory):
    """A certificate of nobody for one name ("DNS:localhost", "IP:127.0.0.1"): its file and that of its key."""

    def make(name):
        folder = tmp_path_factory.mktemp("certificate")
        certificate, key = folder / "certificate.pem", folder / "key.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
             "-subj", "/CN=tests", "-addext", f"subjectAltName={name}", "-out", certificate, "-keyout", key],
            check=True,
            capture_output=True,
        )  # fmt: skip
        return certificate, key

    return make
