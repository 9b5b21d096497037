import pytest

from api.publish import get_publisher
from tests.api.subscriber import Subscriber


@pytest.fixture
def publisher(push_node, settings):
    """Publishing goes to a push node of this test's own."""
    settings.WALLPUSH_PUBLISH_URLS = [push_node.publish_url]
    get_publisher.cache_clear()
    yield get_publisher()
    get_publisher().close()
    get_publisher.cache_clear()


@pytest.fixture
def subscribe(push_node):
    """Subscribers of the push node; they end with the test."""
    subscribers = []

    def make(*channels, **options):
        subscribers.append(Subscriber(push_node, *channels, **options))
        return subscribers[-1]

    yield make
    for subscriber in subscribers:
        subscriber.close()
