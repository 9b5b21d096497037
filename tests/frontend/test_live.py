import re

import pytest
import requests

from api.models import Tweet
from api.publish import hide_tweets

RECORD_MOVES = """
() => {
  window.moved = [];
  const animate = Element.prototype.animate;
  Element.prototype.animate = function (...given) {
    window.moved.push(this.dataset.id);
    return animate.apply(this, given);
  };
}
"""


def wait_for_state(wall, words):
    wall.page.get_by_role("status").filter(has_text=words).wait_for()


def test_published_tweet_comes_in_above(wall, make_tweet):
    old, new = make_tweet("old"), make_tweet("new")
    wall.page.set_viewport_size({"width": 390, "height": 844})
    wall.show(old)
    wall.publish(new)
    wall.wait_for_ids(old["id"], new["id"])
    assert wall.ids() == [new["id"], old["id"]]


def test_new_card_is_framed_for_a_moment(wall, make_tweet):
    old, new = make_tweet("old"), make_tweet("new")
    wall.show(old)
    wall.publish(new)
    fresh = wall.page.locator(".card.fresh")
    fresh.wait_for()
    assert fresh.get_attribute("data-id") == new["id"]
    fresh.wait_for(state="detached")


def test_edited_tweet_is_replaced_where_it_stands(wall, make_tweet):
    first, second = make_tweet("first"), make_tweet("second")
    wall.page.set_viewport_size({"width": 390, "height": 844})
    wall.show(first, second)
    wall.publish(first | {"version": str(int(first["id"]) + 500), "text": "better"})
    wall.card(first).get_by_text("better").wait_for()
    assert wall.ids() == [second["id"], first["id"]]


def test_older_version_that_comes_late_changes_nothing(wall, make_tweet):
    tweet, last = make_tweet("first"), make_tweet("last")
    edited = tweet | {"version": str(int(tweet["id"]) + 500), "text": "better"}
    wall.open()
    wall.publish(edited, tweet, last)
    wall.wait_for_ids(tweet["id"], last["id"])
    assert wall.card(tweet).locator(".text").text_content() == "better"


def test_deleted_tweet_goes(wall, make_tweet):
    gone, stays = make_tweet(), make_tweet()
    wall.show(gone, stays)
    wall.publish({"type": "delete", "id": gone["id"]})
    wall.wait_for_ids(stays["id"])


def test_delete_may_come_before_its_tweet(wall, make_tweet):
    gone, stays = make_tweet(), make_tweet()
    wall.open()
    wall.publish({"type": "delete", "id": gone["id"]}, gone, stays)
    wall.wait_for_ids(stays["id"])


def test_repeated_tweet_leaves_its_card_alone(wall, make_tweet):
    tweet, last = make_tweet(), make_tweet()
    wall.show(tweet)
    card = wall.card(tweet).element_handle()
    wall.publish(tweet, tweet, last)
    wall.wait_for_ids(tweet["id"], last["id"])
    assert card.evaluate("card => card.isConnected")


@pytest.mark.parametrize(
    "message",
    [
        {"hello": 1},
        "text",
        [1],
        5,
        None,
        {"type": "ad", "id": "7"},
        {"type": "tweet", "id": 7},
        {"type": "tweet", "id": "7"},
    ],
)
def test_message_that_is_no_tweet_is_ignored(wall, make_tweet, message):
    tweet = make_tweet()
    wall.open()
    wall.publisher.publish("global", message)
    wall.publish(tweet)
    wall.wait_for_ids(tweet["id"])


def test_tweet_that_no_card_can_be_made_of_costs_only_itself(wall, make_tweet):
    tweet = make_tweet()
    broken = make_tweet(author=None)
    wall.show(tweet)
    wall.publish(broken)
    wall.page.locator(f"article[data-id='{broken['id']}']").wait_for(state="attached")
    next_tweet = make_tweet()
    wall.publish(next_tweet)
    wall.wait_for_ids(tweet["id"], next_tweet["id"])


def test_wall_shows_its_channels_only(wall, make_tweet):
    tweets = [make_tweet() for _ in range(3)]
    wall.open("?channels=keyword-caf~C3~A9,user-101")
    for tweet, channel in zip(tweets, ("user-102", "user-101", "keyword-caf~C3~A9"), strict=True):
        wall.publish(tweet, channels=("global", channel))
    wall.wait_for_ids(tweets[1]["id"], tweets[2]["id"])
    assert sorted(wall.queries(), key=sorted) == [
        {"author": "101", "limit": "60"},
        {"keyword": "café", "limit": "60"},
    ]


def test_restart_of_the_push_node_loses_nothing(wall, make_tweet):
    before, during, after = make_tweet(), make_tweet(), make_tweet()
    wall.show(before)
    wall.push_node.stop()
    wait_for_state(wall, "Reconnecting…")
    assert wall.ids() == [before["id"]]
    wall.store(during)
    wall.push_node.start()
    wait_for_state(wall, "Live")
    wall.publish(after)
    wall.wait_for_ids(before["id"], during["id"], after["id"])
    assert {"after": wall.answer(0)["after"], "limit": "200"} in wall.queries()


def test_connection_is_taken_up_with_the_last_event_id(wall, make_tweet):
    tweet, next_tweet = make_tweet(), make_tweet()
    wall.open()
    wall.publish(tweet)
    wall.wait_for_ids(tweet["id"])
    wall.page.evaluate("dispatchEvent(new Event('online'))")
    wall.publish(next_tweet)
    wall.wait_for_ids(tweet["id"], next_tweet["id"])
    first, second = wall.sockets
    assert first.endswith("/events/ws/global")
    pattern = rf"/events/ws/global\?eventid=\w{{3}}%2C%20.*%20GMT%7C{tweet['id']}$"
    assert re.search(pattern, second)


def test_message_of_the_gap_is_replayed_without_the_history(wall, make_tweet):
    before, during = make_tweet(), make_tweet()
    wall.open()
    wall.publish(before)
    wall.wait_for_ids(before["id"])
    wall.django.stop()
    wall.page.evaluate("dispatchEvent(new Event('offline'))")
    wall.publish(during)
    wall.wait_for_ids(before["id"], during["id"])


def test_live_tweets_come_while_the_history_is_out_of_order(wall, make_tweet):
    old, new = make_tweet(), make_tweet()
    wall.store(old)
    wall.django.stop()
    wall.open()
    wall.publish(new)
    wall.wait_for_ids(new["id"])
    wall.django.start()
    wall.wait_for_ids(old["id"], new["id"])


def test_refused_cursor_starts_over(wall, make_tweet):
    first, second = make_tweet(), make_tweet()
    wall.show(first)
    wall.store(second)
    spoilt = f"{wall.front.url}/api/tweets/?after=spoilt"
    wall.page.route("**/api/tweets/?after=*", lambda route: route.continue_(url=spoilt))
    with wall.page.expect_response(lambda response: response.status == 400):
        wall.page.evaluate("dispatchEvent(new Event('online'))")
    wall.wait_for_ids(first["id"], second["id"])
    assert wall.queries()[-1] == {"limit": "60"}


def test_long_absence_is_read_page_by_page(wall, make_tweet):
    first = make_tweet()
    wall.show(first)
    crowd = [make_tweet() for _ in range(450)]
    wall.store(*crowd)
    wall.page.evaluate("dispatchEvent(new Event('online'))")
    wall.wait_for_ids(*(tweet["id"] for tweet in crowd[-200:]))
    assert wall.page.locator("#count").text_content() == "451 posts"
    answers = [wall.answer(number) for number in range(4)]
    assert [answer.get("more") for answer in answers] == [None, True, True, False]
    assert wall.queries() == [
        {"limit": "60"},
        *({"after": answer["after"], "limit": "200"} for answer in answers[:-1]),
    ]


def test_answer_shared_with_another_wall_is_no_older_than_the_connection(wall, make_tweet):
    before, meanwhile = make_tweet(), make_tweet()
    wall.show(before)
    query = {"after": wall.answer(0)["after"], "limit": "200"}
    shared = requests.get(f"{wall.front.url}/api/tweets/", params=query, timeout=10).json()
    wall.store(meanwhile)
    wall.page.evaluate("dispatchEvent(new Event('online'))")
    wall.wait_for_ids(before["id"], meanwhile["id"])
    assert meanwhile["id"] not in [tweet["id"] for tweet in shared["results"]]


def test_tweet_hidden_during_an_absence_goes(wall, make_tweet):
    gone, stays = make_tweet(), make_tweet()
    wall.show(gone, stays)
    hide_tweets(Tweet.objects.filter(source_id=gone["id"]))
    wall.page.evaluate("dispatchEvent(new Event('online'))")
    wall.wait_for_ids(stays["id"])


def test_wall_without_network_keeps_its_posts(wall, make_tweet):
    tweet = make_tweet()
    wall.show(tweet)
    wall.push_node.stop()
    wall.page.context.set_offline(True)
    wait_for_state(wall, "Offline")
    assert wall.ids() == [tweet["id"]]
    wall.push_node.start()
    wall.page.context.set_offline(False)
    wait_for_state(wall, "Live")


def test_burst_ends_in_the_newest_two_hundred(wall, make_tweet):
    tweets = [make_tweet(f"Number {n}") for n in range(300)]
    wall.open()
    wall.publish(*tweets)
    wall.wait_for_ids(*(tweet["id"] for tweet in tweets[100:]))
    assert wall.page.locator("#count").text_content() == "300 posts"


def test_columns_stay_and_are_balanced(wall, make_tweet):
    wall.show(*(make_tweet() for _ in range(12)))
    places = (
        "[...document.querySelectorAll('.column')].map(c => [...c.children].map(e => e.dataset.id))"
    )
    before = wall.page.evaluate(places)
    news = [make_tweet() for _ in range(4)]
    wall.publish(*news)
    wall.page.wait_for_function("() => document.querySelectorAll('.card').length === 16")
    after = wall.page.evaluate(places)
    assert [column[1:] for column in after] == before
    assert {column[0] for column in after} == {tweet["id"] for tweet in news}


def test_reader_down_the_page_is_not_disturbed(wall, make_tweet):
    tweets = [make_tweet(f"Number {n}\n\n\n\n\n\n") for n in range(30)]
    wall.page.set_viewport_size({"width": 390, "height": 844})
    wall.show(*tweets)
    reading = tweets[10]
    wall.card(reading).evaluate("card => scrollTo(0, card.offsetTop)")
    place = wall.card(reading).bounding_box()
    news = [make_tweet(), make_tweet()]
    wall.publish(*news, {"type": "delete", "id": tweets[-1]["id"]})
    more = wall.page.get_by_role("button", name="2 new posts")
    more.wait_for()
    wall.card(tweets[-1]).wait_for(state="detached")
    # The browser scrolls by whole pixels.
    assert wall.card(reading).bounding_box()["y"] == pytest.approx(place["y"], abs=1)
    assert wall.card(news[0]).count() == 0
    more.click()
    wall.card(news[0]).wait_for()
    assert wall.page.evaluate("scrollY") == 0
    assert more.is_hidden()


def test_new_cards_slide_in(wall, make_tweet):
    wall.page.emulate_media(reduced_motion="no-preference")
    wall.page.set_viewport_size({"width": 390, "height": 844})
    tweets = [make_tweet() for _ in range(3)]
    wall.show(*tweets)
    wall.page.evaluate(RECORD_MOVES)
    new = make_tweet()
    wall.publish(new)
    wall.wait_for_ids(new["id"], *(tweet["id"] for tweet in tweets))
    expected = sorted([new["id"], *(tweet["id"] for tweet in tweets)])
    assert sorted(wall.page.evaluate("window.moved")) == expected


def test_those_who_asked_for_rest_see_no_movement(wall, make_tweet):
    wall.show(make_tweet())
    new = make_tweet()
    wall.publish(new)
    wall.card(new).wait_for()
    assert wall.page.evaluate("document.getAnimations().length") == 0
