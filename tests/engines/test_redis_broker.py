from kombu import Connection

from api.environment import broker_options
from api.redis_broker import Transport


def test_channel_outlives_its_redis(redis):
    redis.start()
    options = broker_options(redis.url)
    with Connection(redis.url, transport=Transport, transport_options=options) as connection:
        channel = connection.channel()
        channel.exchange_declare("news", type="fanout")
        channel.queue_declare("reader", auto_delete=True)
        channel.queue_bind("reader", "news", "")
        channel.basic_consume("reader", no_ack=True, callback=print, consumer_tag="1")
        redis.kill()

        channel.basic_ack("1")
        channel.close()

    channel.basic_ack("1")
    assert channel.closed
