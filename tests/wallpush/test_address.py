import pytest

from wallpush import InvalidAddress
from wallpush.address import parse_address, parse_addresses


@pytest.mark.parametrize(
    ("url", "shown", "authority"),
    [
        ("http://127.0.0.1:8001", "http://127.0.0.1:8001", "127.0.0.1:8001"),
        (" HTTP://Push.Example/ ", "http://push.example", "push.example"),
        ("https://push.example:443/a/b/", "https://push.example/a/b", "push.example"),
        ("http://push_1:80", "http://push_1", "push_1"),
        ("http://[::1]:8001", "http://[::1]:8001", "[::1]:8001"),
        ("https://[0:0::1]/x", "https://[::1]/x", "[::1]"),
        ("http://push.example.:81", "http://push.example.:81", "push.example.:81"),
    ],
)
def test_parse_address(url, shown, authority):
    address = parse_address(url)

    assert (str(address), address.authority) == (shown, authority)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("", "begins with http"),
        ("127.0.0.1:8001", "begins with http"),
        ("localhost:8001", "begins with http"),
        ("ftp://ada:secret@push.example", "begins with http"),
        ("unix:/run/secret", "begins with http"),
        ("http://ada:secret@push.example", "no user name or password"),
        ("http://secret@push.example", "no user name or password"),
        ("http://push.example:8001:secret", "can not be read"),
        ("http://push.example:secret", "can not be read"),
        ("http://push.example:99999/secret", "can not be read"),
        ("http://[::1/secret", "can not be read"),
        ("http://push.example:0", "from 1 to 65535"),
        ("http://", "names a host"),
        ("http:///secret", "names a host"),
        ("http://a..b", "names a host"),
        ("http://" + "secret" * 20, "names a host"),
        ("http://münchen.example", "names a host"),
        ("http://push example", "names a host"),
        ("http://push.example/?token=secret", "at most a path"),
        ("http://push.example/#secret", "at most a path"),
        ("http://push.example/a b", "at most a path"),
    ],
)
def test_parse_address_refuses_without_repeating_it(url, reason):
    with pytest.raises(InvalidAddress, match=reason) as caught:
        parse_address(url)

    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("urls", ["http://a, http://b/,,http://a:80", ["http://a", "http://b"]])
def test_parse_addresses_names_each_node_once(urls):
    assert [str(address) for address in parse_addresses(urls)] == ["http://a", "http://b"]
