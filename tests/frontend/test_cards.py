import pytest

WITHOUT_FRESH = """
[...document.querySelectorAll('.card')].map(card => {
  const copy = card.cloneNode(true);
  copy.className = 'card';
  return [card.dataset.id, copy.outerHTML];
})
"""


def drawn_cards(wall):
    """The cards by id, once the pictures that fail have gone."""
    wall.page.wait_for_function("() => !document.querySelector('img[src*=\"/missing/\"]')")
    return dict(wall.page.evaluate(WITHOUT_FRESH))


def with_text(resources, start):
    return next(resource for resource in resources if resource["text"].startswith(start))


def hrefs(card):
    return card.locator("a").evaluate_all("links => links.map(link => link.href)")


def test_first_page_and_live_updates_draw_the_same_cards(wall, resources):
    wall.open()
    wall.publish(*resources)
    wall.wait_for_ids(*(resource["id"] for resource in resources))
    live = drawn_cards(wall)
    wall.show(*resources)
    assert drawn_cards(wall) == live


def test_text_is_unmodified_but_for_links(wall, resources):
    wall.show(*resources)
    for tweet in resources:
        shown = tweet
        if tweet["retweet_of"] and "missing" not in tweet["retweet_of"]:
            shown = tweet["retweet_of"]
        text = shown["text"]
        for entity in shown["entities"]:
            if entity["type"] == "url":
                text = text.replace(entity["url"], entity["display_url"])
        assert wall.card(tweet).locator("> .text").text_content() == text


# What X obliges whoever shows posts to, each by itself.


def box(locator):
    """Where it stands: left, top, right, bottom."""
    place = locator.bounding_box()
    return (
        *(place["x"], place["y"]),
        *(place["x"] + place["width"], place["y"] + place["height"]),
    )


def x_mark(card):
    return card.get_by_role("img", name="X", exact=True)


def test_x_avatar_name_and_username_lead_to_the_profile(wall, resources):
    card = wall.show(resources[0])
    profile = "https://x.com/lighthouse_conf"
    assert card.locator(".by a").evaluate_all("links => links.map(it => it.href)") == [profile] * 2
    assert (
        card.locator("a.face .avatar img").get_attribute("src")
        == (resources[0]["author"]["avatar"])
    )
    assert card.locator("a.who bdi").text_content() == "Lighthouse Conf"
    assert card.locator("a.who .handle").text_content() == "@lighthouse_conf"
    assert card.get_by_role("img", name="Verified organization").is_visible()


def test_x_quoted_author_leads_to_the_profile(wall, resources):
    quote = wall.show(with_text(resources, "Trams 4 and 9")).locator("blockquote")
    assert quote.locator(".by a").evaluate_all("links => links.map(it => it.href)")[:2] == (
        ["https://x.com/lighthouse_conf"] * 2
    )
    assert quote.locator(".handle").text_content() == "@lighthouse_conf"


@pytest.mark.parametrize(("start", "is_left"), [("Good morning", True), ("@mira_okafor", False)])
def test_x_avatar_stands_where_the_text_begins(wall, resources, start, is_left):
    card = wall.show(with_text(resources, start))
    left, _, right, _ = box(card)
    face_left, _, face_right, _ = box(card.locator(".avatar"))
    name_left, _, name_right, _ = box(card.locator(".name bdi"))
    assert (face_right <= name_left) is is_left
    assert (name_right <= face_left) is not is_left
    assert (face_left - left < right - face_right) is is_left


def test_x_text_stands_below_the_author(wall, resources):
    card = wall.show(resources[0])
    assert box(card.locator("> .text"))[1] >= box(card.locator(".by"))[3]


def test_x_text_is_complete_and_its_entities_are_links(wall, make_tweet):
    text = "By @ada_l: #Wall, $TSLA, https://t.co/aaaaaaaaaa"
    entities = [
        {"type": "mention", "start": 3, "end": 9, "username": "ada_l", "id": "101"},
        {"type": "hashtag", "start": 11, "end": 16, "tag": "Wall"},
        {"type": "cashtag", "start": 18, "end": 23, "tag": "TSLA"},
        {
            "type": "url",
            "start": 25,
            "end": 48,
            "url": "https://t.co/aaaaaaaaaa",
            "expanded_url": "https://example.com/slides",
            "display_url": "example.com/slides",
            "title": "",
        },
    ]
    line = wall.show(make_tweet(text, entities=entities)).locator("> .text")
    assert line.text_content() == "By @ada_l: #Wall, $TSLA, example.com/slides"
    assert line.locator("a").evaluate_all(
        "links => links.map(it => [it.textContent, it.href])"
    ) == [
        ["@ada_l", "https://x.com/ada_l"],
        ["#Wall", "https://x.com/hashtag/Wall"],
        ["$TSLA", "https://x.com/search?q=%24TSLA"],
        ["example.com/slides", "https://t.co/aaaaaaaaaa"],
    ]


def test_x_time_leads_to_the_post_and_view_on_x_stands_beside_it(wall, resources):
    card = wall.show(resources[0])
    when, view = card.locator("footer a.when"), card.get_by_role("link", name="View on X")
    assert when.get_attribute("href") == view.get_attribute("href") == resources[0]["url"]
    assert when.locator("time").is_visible()
    assert box(when)[1] == pytest.approx(box(view)[1], abs=2)


def test_x_mark_stands_in_the_upper_right_corner(wall, resources):
    card = wall.show(resources[0])
    left, top, right, _ = box(card)
    mark_left, mark_top, mark_right, mark_bottom = box(x_mark(card))
    assert x_mark(card).is_visible()
    assert mark_left > (left + right) / 2
    assert 0 < right - mark_right < 40
    assert 0 < mark_top - top < 40
    assert mark_bottom <= box(card.locator("> .text"))[1]


def test_x_repost_says_by_whom_and_leads_there(wall, resources):
    line = wall.show(with_text(resources, "RT @rocketgirl")).locator("> .context")
    assert line.text_content() == "Reposted by Jonas Lind"
    assert line.locator("a").get_attribute("href") == "https://x.com/jonas_lind"


def test_x_edited_post_says_so(wall, make_tweet):
    tweets = [make_tweet("As it was"), make_tweet("Changed", edited=True)]
    wall.show(*tweets)
    notes = [wall.card(it).locator("footer").get_by_text("Edited").count() for it in tweets]
    assert notes == [0, 1]


def test_x_long_post_is_shown_to_its_end(wall, make_tweet):
    text = "A word after another, " * 1100 + "the end."
    card = wall.show(make_tweet(text))
    line = card.locator("> .text")
    assert line.text_content() == text
    assert line.evaluate(
        "it => [getComputedStyle(it).webkitLineClamp, it.scrollHeight - it.clientHeight]"
    ) == ["none", 0]
    assert box(line)[3] <= box(card.locator("footer"))[1]


MARKS = """
[...document.querySelectorAll('.card')].map(card => [
  card.dataset.source,
  [...card.querySelectorAll('.icon[role=img]')].map(icon => icon.ariaLabel).join(),
  [...card.querySelectorAll('.view')].map(link => link.textContent).join(),
  [...new Set([...card.querySelectorAll('a:not(.url)')].map(link => link.hostname))].join(),
])
"""


def test_a_wall_of_both_networks_keeps_them_apart(wall, resources):
    wall.show(*resources)
    cards = {tuple(card) for card in wall.page.evaluate(MARKS)}
    assert cards == {
        ("x", "X", "View on X", "x.com"),
        ("x", "X", "", ""),  # its author is not known, so there is no address
        ("bluesky", "Bluesky", "View on Bluesky", "bsky.app"),
        ("replay", "", "", ""),
    }


# Bluesky has a look of its own.


def test_bluesky_author_leads_to_the_profile_whatever_the_name_is(wall, resources):
    card = wall.show(with_text(resources, "Watching #Lighthouse"))
    profile = "https://bsky.app/profile/did:plc:noorinvented"
    assert card.locator(".by a").evaluate_all("links => links.map(it => it.href)") == [profile] * 2
    assert card.locator("a.who .handle").text_content() == "@noor.example"
    assert card.get_by_role("img", name="Bluesky", exact=True).is_visible()
    assert card.get_by_role("link", name="View on Bluesky").get_attribute("href") == (
        "https://bsky.app/profile/did:plc:noorinvented/post/3mpt00000002a"
    )


def test_bluesky_entities_are_links_and_the_text_is_as_it_was_written(wall, resources):
    tweet = with_text(resources, "Watching #Lighthouse")
    line = wall.show(tweet).locator("> .text")
    assert line.text_content() == tweet["text"]
    assert line.locator("a").evaluate_all(
        "links => links.map(it => [it.textContent, it.href])"
    ) == [
        ["#Lighthouse", "https://bsky.app/hashtag/Lighthouse"],
        ["@sam.harbour.example", "https://bsky.app/profile/did:plc:saminvented"],
        ["lighthouse.example/live…", "https://lighthouse.example/live?day=2"],
    ]


def test_bluesky_author_who_is_not_known_has_a_profile_all_the_same(wall, resources):
    card = wall.show(with_text(resources, "Nobody could be asked"))
    assert card.locator("a.who").text_content() == "Unknown author"
    assert card.locator("a.who").get_attribute("href") == (
        "https://bsky.app/profile/did:plc:nobodyinvented"
    )


def test_bluesky_quote_stands_in_the_card(wall, resources):
    card = wall.show(with_text(resources, "This! Print it"))
    quote = card.locator("blockquote")
    assert quote.locator(".handle").text_content() == "@sam.harbour.example"
    assert (
        quote.locator(".tile img").get_attribute("alt") == "A drawing of a tower with six windows"
    )
    assert card.locator("footer").get_by_text("Edited").is_visible()


def test_links_tell_the_other_side_nothing(wall, resources):
    wall.show(*resources)
    kinds = wall.page.evaluate(
        "[...new Set([...document.querySelectorAll('.card a')].map(link =>"
        " [link.target, link.rel, link.referrerPolicy, link.protocol].join()))]"
    )
    assert kinds == ["_blank,noopener noreferrer nofollow,no-referrer,https:"]


def test_link_shows_where_it_leads(wall, resources):
    card = wall.show(with_text(resources, "5 < 6"))
    link = card.get_by_role("link", name="example.com/slides?a=1&b=2")
    assert link.get_attribute("href") == "https://t.co/aaaaaaaaaa"
    assert link.get_attribute("title") == "https://example.com/slides?a=1&b=2"


def test_links_after_emoji_are_where_they_belong(wall, resources):
    card = wall.show(with_text(resources, "Family emoji"))
    assert card.locator(".text a").all_text_contents() == ["#Lighthouse", "@jonas_lind"]


def test_replay_does_not_lead_to_x(wall, resources):
    card = wall.show(with_text(resources, "An invented post"))
    assert hrefs(card) == []
    assert card.get_by_role("img", name="X", exact=True).count() == 0
    assert card.locator(".demo").text_content() == "Demo"


def test_retweet_shows_the_original(wall, resources):
    tweet = with_text(resources, "RT @rocketgirl")
    card = wall.show(tweet)
    assert card.locator("> .context").text_content() == "Reposted by Jonas Lind"
    assert card.locator("> .by bdi").text_content() == "Ada 🚀 <b>Love</b>"
    assert card.locator("> .text").text_content() == tweet["retweet_of"]["text"]
    assert card.locator(".tile img").get_attribute("alt") == "A small circuit board on a palm"
    assert card.locator("footer a.when").get_attribute("href") == tweet["retweet_of"]["url"]


def test_quote_is_a_card_in_the_card(wall, resources):
    tweet = with_text(resources, "Trams 4 and 9")
    quote = wall.show(tweet).locator("blockquote")
    assert quote.locator("bdi").text_content() == "Lighthouse Conf"
    assert quote.locator(".text").text_content() == tweet["quote_of"]["text"]
    assert quote.locator(".when").get_attribute("href") == tweet["quote_of"]["url"]


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        ("Notes from", "The quoted post is not available."),
        ("RT @somebody_else", "The reposted post is not available."),
    ],
)
def test_missing_post_is_a_polite_sentence(wall, resources, start, sentence):
    assert wall.show(with_text(resources, start)).locator(".unavailable").text_content() == sentence


def test_reply_names_whom_it_answers(wall, resources):
    wall.show(*resources)
    answers = [
        wall.card(resource).locator("> .context").text_content()
        for resource in resources
        if resource["reply_to"]
    ]
    assert answers == ["Replying to @mira_okafor", "Replying to a post"]


def test_unknown_author_has_a_card_too(wall, resources):
    card = wall.show(with_text(resources, "A post whose author"))
    assert card.locator(".who").text_content() == "Unknown author"
    assert hrefs(card) == []
    assert card.locator(".disc .icon-person").is_visible()


def test_edited_tweet_says_so(wall, resources):
    assert wall.show(with_text(resources, "It compiles.")).get_by_text("Edited").is_visible()


def test_picture_of_an_author_that_fails_leaves_initials(wall, resources):
    card = wall.show(with_text(resources, "5 < 6"))
    card.locator(".avatar img").wait_for(state="detached")
    assert card.locator(".disc").text_content() == "PP"


def test_picture_that_fails_leaves_its_description(wall, make_tweet):
    url = "https://pictures.example/missing/1.png"
    photo = {"type": "photo", "url": url, "width": 4, "height": 3, "alt": "A fallen sign"}
    card = wall.show(make_tweet(media=[photo]))
    card.get_by_role("img", name="A fallen sign").and_(card.locator(".placeholder")).wait_for()


def test_pictures_have_their_place_before_they_arrive(wall, make_tweet):
    photo = {"type": "photo", "url": "", "width": 1500, "height": 1000, "alt": ""}
    box = wall.show(make_tweet(media=[photo])).locator(".media").bounding_box()
    assert box["width"] / box["height"] == pytest.approx(1.5, abs=0.01)


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_pictures_fill_their_grid(wall, make_tweet, count):
    url = "https://pictures.example/media/1.png"
    photo = {"type": "photo", "url": url, "width": 1200, "height": 800, "alt": ""}
    card = wall.show(make_tweet(media=[photo] * count))
    tiles = [tile.bounding_box() for tile in card.locator(".tile").all()]
    grid = card.locator(".media").bounding_box()
    covered = sum(tile["width"] * tile["height"] for tile in tiles)
    assert len(tiles) == count
    assert covered / (grid["width"] * grid["height"]) == pytest.approx(1, abs=0.03)


def test_video_plays_when_it_is_asked_to(wall, resources):
    card = wall.show(with_text(resources, "The robots"))
    assert card.locator(".badge").text_content() == "0:47"
    assert card.locator("video").count() == 0
    card.get_by_role("button", name="Play Video: Three small robots").click()
    video = card.locator("video")
    assert video.get_attribute("src") == "https://pictures.example/video/wave.mp4"
    assert video.evaluate("video => [video.muted, video.controls]") == [True, True]


def test_sensitive_picture_is_loaded_when_it_is_asked_for(wall, resources):
    card = wall.show(with_text(resources, "The picture behind"))
    assert card.locator(".tile").count() == 0
    card.get_by_role("button", name="Sensitive media").click()
    assert card.locator(".tile img").get_attribute("alt") == "A stage"


def test_poll_shows_shares_and_votes(wall, resources):
    card = wall.show(with_text(resources, "Settle it"))
    assert card.locator(".share").all_text_contents() == ["18%", "24%", "54%", "3%"]
    assert card.locator(".leads .label").text_content() == "Whatever the formatter says"
    assert card.locator(".poll-note").text_content().startswith("2,231 votes · ")
    widths = [bar.bounding_box()["width"] for bar in card.locator(".bar").all()]
    row = card.locator(".option").first.bounding_box()["width"]
    assert [round(100 * width / row) for width in widths] == [18, 24, 54, 3]


def test_post_written_from_the_right_stands_on_the_right(wall, resources):
    card = wall.show(with_text(resources, "@mira_okafor"))
    face = card.locator(".avatar").bounding_box()
    name = card.locator(".name bdi").bounding_box()
    logo = card.get_by_role("img", name="X", exact=True).bounding_box()
    assert logo["x"] < name["x"] < face["x"]
    assert card.locator(".text").evaluate("text => getComputedStyle(text).direction") == "rtl"
    assert card.locator(".text").get_attribute("lang") == "ar"


def test_time_is_relative_and_says_the_moment_when_asked(wall, make_tweet):
    time = wall.show(make_tweet(created_at="2026-11-20T10:18:30.000Z")).locator("footer time")
    assert time.text_content() == "41 min"
    assert time.get_attribute("datetime") == "2026-11-20T10:18:30.000Z"
    assert "2026" in time.get_attribute("title")


PAYLOADS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "'-alert(1)-'",
    "</p><iframe srcdoc='<script>alert(1)</script>'>",
    "{{constructor.constructor('alert(1)')()}}",
]
ADDRESSES = [
    "javascript:alert(1)",
    " javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "https:javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "http://insecure.example/",
    "//evil.example/",
    "https://x.com@evil.example/",
    "/sample/../api/",
    "vbscript:x",
]


def poison(value, payload, address):
    """The same structure with every free string replaced by an attack."""
    addresses = ("url", "avatar", "preview_url", "expanded_url")
    kept = ("id", "version", "type", "created_at", "source", "ends_at", "status")
    if isinstance(value, list):
        return [poison(item, payload, address) for item in value]
    if not isinstance(value, dict):
        return payload if isinstance(value, str) else value
    return {
        key: address
        if key in addresses and item is not None
        else item
        if key in kept
        else poison(item, payload, address)
        for key, item in value.items()
    }


def poisoned(resources):
    for number, (payload, address) in enumerate(
        (payload, address) for payload in PAYLOADS for address in ADDRESSES
    ):
        tweet = poison(resources[number % len(resources)], payload, address)
        id = str(2120000000000200000 + number)
        # One author has one row: each of these has an author of its own, as hostile as its tweet.
        author = tweet["author"] | {"id": str(300 + number)}
        yield tweet | {"id": id, "version": id, "author": author}


def test_hostile_strings_stay_text_and_hostile_addresses_lead_nowhere(wall, resources, settings):
    tweets = list(poisoned(resources))
    wall.store(*tweets[::2])
    settings.WALLPUSH_WALL_TITLE = PAYLOADS[0]
    settings.WALLPUSH_WALL_SUBTITLE = PAYLOADS[1]
    wall.open()
    wall.publish(*tweets[1::2])
    wall.wait_for_ids(*(tweet["id"] for tweet in tweets))
    wall.page.evaluate("document.querySelectorAll('.cover, .play').forEach(b => b.click())")
    assert wall.page.locator("#title").text_content() == PAYLOADS[0]
    assert wall.page.locator("main").locator("script, iframe, object, embed, form").count() == 0
    attributes = wall.page.evaluate(
        "[...document.querySelectorAll('main *')].flatMap(node => [...node.attributes])"
        ".filter(a => /^on|^srcdoc$|^style$/.test(a.name) && !a.value.startsWith('--'))"
        ".map(a => a.name + '=' + a.value)"
    )
    assert attributes == []
    targets = wall.page.evaluate(
        "[...document.querySelectorAll('main [href], main [src], main [poster]')].map(node =>"
        " node.getAttribute('href') ?? node.getAttribute('src') ?? node.getAttribute('poster'))"
    )
    networks = ("https://x.com/", "https://bsky.app/")
    assert [target for target in targets if not target.startswith(networks)] == []


def test_every_payload_is_shown_as_it_is(wall, make_tweet):
    tweets = [make_tweet(payload) for payload in PAYLOADS]
    wall.show(*tweets)
    assert [wall.card(tweet).locator(".text").text_content() for tweet in tweets] == PAYLOADS


def test_kinds_that_are_not_known_yet_do_no_harm(wall, make_tweet):
    tweet = make_tweet(
        "Hello #x",
        source="mastodon",
        url="https://social.example/post/1",
        entities=[{"type": "emoji", "start": 6, "end": 8}],
    )
    card = wall.show(tweet)
    assert card.locator(".text").text_content() == "Hello #x"
    assert hrefs(card) == ["https://social.example/post/1"]
