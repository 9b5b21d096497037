import re
import tempfile
from pathlib import Path

import pytest

from nginx import render as rendering
from nginx.errors import NginxError
from nginx.render import CHANNELS, quotable, render


def test_render_with_an_unknown_value_is_refused():
    with pytest.raises(TypeError, match="no place for colour"):
        render("push.conf", [], colour="red")


def test_render_with_a_missing_value_is_refused():
    with pytest.raises(KeyError):
        render("push.conf", [])


@pytest.mark.parametrize("folder", ["/a/b c", "/ä/日本"])
def test_quotable_keeps_ordinary_folders(folder):
    assert quotable(folder) == folder


@pytest.mark.parametrize("folder", ['/a"b', "/a$b", "/a\\b", "/a\nb"])
def test_quotable_refuses_what_nginx_would_read_otherwise(folder):
    with pytest.raises(NginxError, match="move the project"):
        quotable(folder)


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("global", True),
        ("user-1/keyword-caf~C3~A9", True),
        ("/".join("abcdefghij"), True),
        ("/".join("abcdefghijk"), False),
        ("private-x", False),
        ("global/private-x", False),
        ("privateer", True),
        ("ALL", False),
        ("ALL2", True),
        ("global/ALL", False),
        ("_ctl", False),
        ("_ctl/global", False),
        ("a" * 190, True),
        ("a" * 191, False),
        ("a.b5", False),
        ("a*", False),
        ("", False),
        ("a//b", False),
    ],
)
def test_channels_pattern(path, allowed):
    assert bool(re.fullmatch(CHANNELS, path)) == allowed


def test_limits_leave_room_for_what_is_not_a_connection():
    limits = rendering.limits()
    assert limits["connections"] < limits["open_files"]


def test_user_line_of_an_ordinary_user_is_empty(monkeypatch):
    monkeypatch.setattr(rendering.os, "geteuid", lambda: 1000)
    assert rendering.user_line([]) == ""


@pytest.mark.parametrize(("mode", "line"), [(0o755, "user nobody nogroup;"), (0o700, "user root;")])
def test_user_line_of_root_depends_on_who_may_reach_the_folders(monkeypatch, mode, line):
    monkeypatch.setattr(rendering.os, "geteuid", lambda: 0)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(mode)
        assert rendering.user_line([Path("/usr/share"), folder]) == line


def test_is_open_to_all_asks_every_folder_above(tmp_path):
    closed = tmp_path / "closed"
    inner = closed / "inner"
    inner.mkdir(parents=True)
    closed.chmod(0o700)
    assert not rendering.is_open_to_all(inner)
    assert rendering.is_open_to_all(rendering.Path("/usr/share"))
