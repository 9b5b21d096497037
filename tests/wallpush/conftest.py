import pytest

from tests.wallpush.peers import Peer
from tests.wallpush.subscriber import Subscriber
from wallpush import Publisher


@pytest.fixture
def publisher(push_node):
    with Publisher(push_node.publish_url) as publisher:
        yield publisher


@pytest.fixture
def subscribe(push_node):
    """Subscribes to channels of the push node."""
    subscribers = []

    def make(*channels, node=push_node):
        subscribers.append(Subscriber(node.subscribe_url, *channels))
        return subscribers[-1]

    yield make
    for subscriber in subscribers:
        subscriber.close()


@pytest.fixture
def make_peer():
    """Starts servers that behave badly, see `peers`."""
    peers = []

    def make(*handlers):
        peers.append(Peer(*handlers))
        return peers[-1]

    yield make
    for peer in peers:
        peer.close()
