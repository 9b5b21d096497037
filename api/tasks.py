"""What the workers do when asked. The arguments are keys: what they stand for is read when the task runs."""

import logging

from celery import current_app, shared_task
from django.db import Error

from . import publish
from .seldom import Seldom

# A worker that is busy leaves that many waiting. Where there are more, none takes any: a broker must not fill up.
MOST_WAITING = 1000
# Seconds after which a task is thrown away unread. A worker that lags behind would take up each one just when the sweep
# has published its tweets, and never catch up; so it begins with those that are still worth something.
EXPIRES = publish.GRACE.total_seconds() / 2

logger = Seldom(logging.getLogger(__name__))


@shared_task(name="wallpush.publish_tweets")
def publish_tweets(pks):
    try:
        publish.publish_tweets(pks)
    except Error as error:
        logger.warning("The database fails a task, the sweep publishes: %s", error)


def announce(pks):
    """Asks a worker to publish these tweets. Never fails: what is not asked for, the sweep finds."""
    try:
        with current_app.producer_pool.acquire(block=True) as producer:
            waiting = count_waiting(producer.channel)
            if waiting < MOST_WAITING:
                publish_tweets.apply_async(
                    (list(pks),), producer=producer, retry=False, expires=EXPIRES
                )
            else:
                logger.warning("%d tasks wait for a worker, the sweep publishes.", waiting)
    except Exception as error:
        # Every transport raises errors of its own, and none of them may cost a tweet.
        logger.warning("The broker can not be reached, the sweep publishes: %s", error)


def count_waiting(channel):
    """How many tasks the broker keeps that no worker has taken. Declaring the queue is how every transport tells."""
    queue = current_app.amqp.queues[current_app.conf.task_default_queue]
    declared = channel.queue_declare(
        queue.name, durable=queue.durable, auto_delete=queue.auto_delete
    )
    return declared.message_count
