"""What the workers do when asked. The arguments are keys: what they stand for is read when the task runs."""

import logging

from celery import shared_task

from . import publish

logger = logging.getLogger(__name__)


@shared_task(name="wallpush.publish_tweets")
def publish_tweets(pks):
    publish.publish_tweets(pks)


def announce(pks):
    """Asks a worker to publish these tweets. Never fails: what is not asked for, the sweep finds."""
    try:
        publish_tweets.apply_async((list(pks),), retry=False)
    except Exception as error:
        # Every transport raises errors of its own, and none of them may cost a tweet.
        logger.warning("The broker can not be reached, the sweep publishes: %s", error)
