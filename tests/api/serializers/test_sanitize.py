import pytest

from api.serializers.sanitize import link_address, picture_address


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com",
        "https://example.com:8443/a?b=c&d=e#f",
        "https://müller.example/straße",
        "https://example.com/it's(fine)",
    ],
)
def test_link_address_keeps_https(url):
    assert link_address(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("", "https://", "http://example.com", "//example.com", "javascript:alert(1)"),
        *("https://user@example.com", "https://example.com@evil.example", " https://example.com"),
        *("https://example.com/ a", 'https://example.com/"x', "https://example.com/\n"),
        *(
            "https://example.com/<b>",
            "https://example.com/\\",
            "HTTPS:example.com",
            "/sample/a.svg",
        ),
        *(None, 5, ["https://example.com"], "https://example.com/" + "a" * 2000),
    ],
)
def test_link_address_drops_the_rest(url):
    assert link_address(url) == ""


@pytest.mark.parametrize("url", ["/sample/a.svg", "/sample/people/b_2.jpg", "https://a.example/b"])
def test_picture_address_keeps_pictures(url):
    assert picture_address(url) == url


@pytest.mark.parametrize(
    "url", ["/sample/../secret", "/sample/", "/admin/", "sample/a.svg", "/sample//../a", "data:x"]
)
def test_picture_address_drops_the_rest(url):
    assert picture_address(url) == ""
