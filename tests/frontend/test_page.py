import pytest

LUMINANCE = """
([front, back]) => {
  const luminance = color => {
    const context = new OffscreenCanvas(1, 1).getContext('2d');
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = [...context.getImageData(0, 0, 1, 1).data].slice(0, 3).map(byte => {
      const part = byte / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const color = name => {
    const [selector, property] = name;
    return getComputedStyle(document.querySelector(selector))[property];
  };
  const [a, b] = [luminance(color(front)), luminance(color(back))].sort((x, y) => y - x);
  return (a + 0.05) / (b + 0.05);
}
"""


def text(wall, id):
    return wall.page.locator(f"#{id}").text_content()


def test_title_and_subtitle_are_those_of_the_settings(wall):
    wall.open()
    assert (text(wall, "title"), text(wall, "subtitle")) == (
        "Lighthouse Conf",
        "Post with #Lighthouse",
    )
    assert wall.page.title() == "Lighthouse Conf"


def test_title_of_the_address_goes_before_the_settings(wall):
    wall.open("?title=Hall%202%20%3Cb%3E")
    assert text(wall, "title") == "Hall 2 <b>"


def test_wall_comes_up_without_its_settings(wall, make_tweet):
    wall.django.stop()
    wall.open()
    tweet = make_tweet()
    wall.publish(tweet)
    wall.wait_for_ids(tweet["id"])
    assert text(wall, "title") == "Live wall"


def test_empty_wall_waits_for_the_first_post(wall, make_tweet):
    wall.open()
    wall.page.get_by_role("heading", name="Waiting for the first post").wait_for()
    wall.publish(make_tweet())
    wall.page.locator("#empty").wait_for(state="hidden")


def test_empty_wall_without_a_server_says_so(wall):
    wall.push_node.stop()
    wall.open(state="reconnecting")
    wall.page.get_by_role("heading", name="Looking for the server…").wait_for()


def test_wrong_channel_is_explained(wall):
    wall.page.goto(f"{wall.front.url}/?channels=keyword-Caf%C3%A9")
    wall.page.get_by_role("heading", name="“keyword-Café” is not the name of a channel.").wait_for()
    link = wall.page.get_by_role("link", name="keyword-caf~C3~A9")
    link.click()
    wall.page.locator("#state[data-state=live]").wait_for()
    assert [url.split("/events")[1] for url in wall.sockets] == ["/ws/keyword-caf~C3~A9"]


@pytest.mark.parametrize("device", ["dark", "light"])
@pytest.mark.parametrize("asked", ["dark", "light", ""])
def test_theme_is_that_of_the_address_or_of_the_device(wall, device, asked):
    wall.page.emulate_media(color_scheme=device)
    wall.open(f"?theme={asked}")
    page = wall.page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert page == {"dark": "rgb(9, 11, 17)", "light": "rgb(243, 244, 248)"}[asked or device]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_words_stand_out_from_their_ground(wall, resources, theme):
    wall.show(*resources, query=f"?theme={theme}")
    card = [".card", "backgroundColor"]
    page = ["html", "backgroundColor"]
    pairs = {
        selector: (ground, wall.page.evaluate(LUMINANCE, [[selector, "color"], ground]))
        for selector, ground in {
            ".card .name": card,
            ".card .handle": card,
            ".card .text": card,
            ".card .entity": card,
            ".card footer": card,
            ".card .context": card,
            ".unavailable": card,
            "#title": page,
            "#subtitle": page,
            "#count": page,
            "#state": page,
        }.items()
    }
    assert {name: pair for name, pair in pairs.items() if pair[1] < 4.5} == {}


@pytest.mark.parametrize(
    ("width", "height", "columns", "size"),
    [(390, 844, 1, 16), (1080, 1920, 2, 22), (1920, 1080, 4, 22), (3840, 2160, 4, 44)],
)
def test_wall_fits_phone_and_projector(wall, resources, width, height, columns, size):
    wall.page.set_viewport_size({"width": width, "height": height})
    wall.show(*resources)
    measured = wall.page.evaluate(
        "[document.querySelectorAll('.column').length,"
        " Math.floor(parseFloat(getComputedStyle(document.documentElement).fontSize)),"
        " document.documentElement.scrollWidth]"
    )
    assert measured == [columns, size, width]


def test_few_posts_stand_in_the_middle(wall, make_tweet):
    card = wall.show(make_tweet())
    box = card.bounding_box()
    assert box["x"] + box["width"] / 2 == pytest.approx(960, abs=1)
    assert box["y"] > 300


def test_window_of_another_size_gets_other_columns(wall, resources):
    wall.show(*resources)
    wall.page.set_viewport_size({"width": 500, "height": 900})
    wall.page.wait_for_function("() => document.querySelectorAll('.column').length === 1")
    newest_first = sorted(resources, key=lambda tweet: tweet["created_at"], reverse=True)
    assert wall.ids() == [tweet["id"] for tweet in newest_first]


def test_page_has_its_landmarks_and_every_picture_its_words(wall, resources):
    wall.show(*resources)
    for role in ("banner", "main", "status"):
        assert wall.page.get_by_role(role).first.is_visible()
    assert wall.page.locator("img:not([alt])").count() == 0
    assert wall.page.locator(".tile img[alt='']").count() == 0
    assert wall.page.get_by_role("article").count() == len(resources)


def test_keyboard_reaches_the_posts_and_shows_where_it_is(wall, resources):
    wall.show(resources[0])
    wall.page.keyboard.press("Tab")
    focused = "document.activeElement.textContent.trim()"
    assert wall.page.evaluate(focused) == "Skip to the posts"
    wall.page.keyboard.press("Enter")
    wall.page.keyboard.press("Tab")
    assert wall.page.evaluate(focused) == "Lighthouse Conf@lighthouse_conf"
    outline = "getComputedStyle(document.activeElement).outlineStyle"
    assert wall.page.evaluate(outline) == "solid"
