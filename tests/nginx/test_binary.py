import pytest

from nginx import binary
from nginx.binary import Binary, find_binary
from nginx.errors import NginxError


def make_root(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def test_binary_without_the_module_is_not_complete(tmp_path):
    make_root(tmp_path, "usr/sbin/nginx", "etc/nginx/mime.types")
    assert not Binary(tmp_path).is_complete()


def test_binary_with_all_files_is_complete(tmp_path):
    make_root(tmp_path, "usr/sbin/nginx", "etc/nginx/mime.types", binary.MODULE)
    assert Binary(tmp_path).is_complete()


def test_find_binary_where_nothing_is_installed_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(binary, "CANDIDATES", [tmp_path])
    with pytest.raises(NginxError, match="run 'make install'"):
        find_binary()
