import threading

from api.message_queue import MessageQueue

DEADLINE = 20


def put_in_thread(queue, message):
    results = []
    thread = threading.Thread(target=lambda: results.append(queue.put(message)))
    thread.start()
    return thread, results


def test_queue_gives_whatever_has_arrived():
    queue = MessageQueue()
    for message in (b"a", b"b", b"c"):
        queue.put(message)

    assert queue.take() == [b"a", b"b", b"c"]


def test_queue_gives_limited_batches():
    queue = MessageQueue()
    for message in (b"1", b"22", b"333", b"4444"):
        queue.put(message)

    assert queue.take(max_messages=2) == [b"1", b"22"]
    assert queue.take(max_bytes=3) == [b"333"]
    assert queue.take(max_bytes=3) == [b"4444"]


def test_queue_waits_for_the_first_message():
    queue = MessageQueue()
    batches = []
    thread = threading.Thread(target=lambda: batches.append(queue.take()))
    thread.start()

    queue.put(b"a")
    thread.join(DEADLINE)

    assert batches == [[b"a"]]


def test_queue_full_of_messages_holds_up_who_puts():
    queue = MessageQueue(max_messages=1)
    queue.put(b"a")
    thread, results = put_in_thread(queue, b"b")

    assert queue.take() == [b"a"]
    thread.join(DEADLINE)
    assert (results, queue.take()) == ([True], [b"b"])


def test_queue_full_of_bytes_holds_up_who_puts():
    queue = MessageQueue(max_bytes=5)
    queue.put(b"123")
    thread, results = put_in_thread(queue, b"456")

    assert (queue.take(), results) == ([b"123"], [])
    thread.join(DEADLINE)
    assert queue.take() == [b"456"]


def test_queue_takes_one_message_of_any_size():
    queue = MessageQueue(max_bytes=5)

    assert queue.put(b"1234567890") is True


def test_queue_closed_gives_what_is_left_and_takes_no_more():
    queue = MessageQueue(max_messages=1)
    queue.put(b"a")
    thread, results = put_in_thread(queue, b"b")
    queue.close()
    thread.join(DEADLINE)

    assert results == [False]
    assert (queue.take(), queue.take()) == ([b"a"], [])
