"""The processes below one, as the kernel knows them."""

from pathlib import Path


def children(pid):
    """Of a process that may have threads, each of which may have started some. One that is gone has none."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in read(task).split()]


def descendants(pid):
    return [found for child in children(pid) for found in (child, *descendants(child))]


def command_line(pid):
    """Empty for one that is gone."""
    return read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ")


def read(path):
    """What the kernel says of a process, which may end while it is asked."""
    try:
        return path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def find_program(pid, name):
    """The process of a program that supervisord keeps running, by a word of its command; None while there is none."""
    for kept in [found for found in descendants(pid) if "leash.py" in command_line(found)]:
        for child in children(kept):
            if name in command_line(child) and "leash.py" not in command_line(child):
                return child
    return None
