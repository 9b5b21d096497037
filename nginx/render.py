"""Fills the templates push.conf and front.conf."""

import os
import re
import resource
from pathlib import Path

from nginx.errors import NginxError

TEMPLATES = Path(__file__).resolve().parent

ENVELOPE = (
    '{"id":~id~,"channel":"~channel~","text":~text~,'
    '"tag":"~tag~","time":"~time~","eventid":"~event-id~"}'
)
# The grammar of wallpush/channels.py, for what may be subscribed to without a permission.
CHANNEL = r"(?!private-|(?:ALL|_ctl)(?:/|$))[A-Za-z0-9_~-]{1,190}"
CHANNELS = rf"{CHANNEL}(?:/{CHANNEL}){{0,9}}"

UNQUOTABLE = re.compile(r'["\\$\x00-\x1f]')


def render(template, folders, **values):
    """The text of a template with each `@{name}` replaced; `folders` are those that nginx uses.

    A missing or unused value is a mistake of the caller and raises KeyError or TypeError.
    """
    text = (TEMPLATES / template).read_text()
    values |= limits() | {"user": user_line(folders)}
    wanted = set(re.findall(r"@\{(\w+)\}", text))
    if unused := set(values) - wanted:
        raise TypeError(f"{template} has no place for {', '.join(sorted(unused))}")
    return re.sub(r"@\{(\w+)\}", lambda match: str(values[match[1]]), text)


def quotable(path):
    """The path as it may stand between quotes in a configuration."""
    if UNQUOTABLE.search(str(path)):
        raise NginxError(
            f"nginx cannot be configured below {path}: move the project to a folder"
            ' without ", \\ or $ in its name.'
        )
    return str(path)


def limits():
    """As many open files as this process may ask for: each subscriber takes one, at the front two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    open_files = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
    return {"open_files": open_files, "connections": max(open_files - 256, 256)}


def user_line(folders):
    """Root is given up for nobody, unless nobody may not reach the folders that nginx uses."""
    if os.geteuid() != 0:
        return ""
    return "user nobody nogroup;" if all(map(is_open_to_all, folders)) else "user root;"


def is_open_to_all(folder):
    return all(path.stat().st_mode & 0o005 == 0o005 for path in (folder, *folder.parents))
