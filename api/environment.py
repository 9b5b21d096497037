"""How settings are read: a wrong value stops the process with one sentence that says what is allowed."""

import difflib
import math
import os
import re
import secrets
import sys
import tempfile
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

import dj_database_url
from dotenv import dotenv_values
from environs import Env, EnvValidationError, ValidationError

from wallpush.address import parse_address
from wallpush.errors import InvalidAddress

from .sources.tracks import TrackError, read_track

TRUE = ("true", "1", "yes", "on")
FALSE = ("false", "0", "no", "off")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
BROKERS = ("filesystem", "redis", "rediss", "amqp", "amqps")
# With a write-ahead log, NORMAL loses nothing when a process dies; only a power failure may take the last commits.
SQLITE_PRAGMAS = (
    "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY;"
    "PRAGMA cache_size=-16000; PRAGMA mmap_size=134217728; PRAGMA journal_size_limit=67108864;"
    # Pages of 4 kB until the log is brought into the database, with the disk waited for: a burst is stored faster.
    "PRAGMA wal_autocheckpoint=4000"
)
SQLITE_OPTIONS = {
    "init_command": SQLITE_PRAGMAS,
    "timeout": 20,
    # A transaction that reads first and writes later would fail at once when another one wrote in between.
    "transaction_mode": "IMMEDIATE",
}
# A server that is gone without a word, as behind a cut cable, is noticed within half a minute.
POSTGRESQL_OPTIONS = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 25_000,
}


def read_choice(value, choices):
    if value not in choices:
        raise ValidationError(f"must be one of {', '.join(choices)}, not {value!r}.")
    return value


def read_choices(value, choices):
    chosen = list(dict.fromkeys(read_list(value)))
    if not chosen or not set(chosen) <= set(choices):
        raise ValidationError(
            f"must be one or more of {', '.join(choices)}, separated by commas, not {value!r}."
        )
    return chosen


def read_flag(value):
    if value.lower() not in TRUE + FALSE:
        raise ValidationError(f"must be true or false, not {value!r}.")
    return value.lower() in TRUE


def read_port(value):
    if not (re.fullmatch("[0-9]{1,5}", value) and 1 <= int(value) <= 65535):
        raise ValidationError(f"must be a port, a whole number from 1 to 65535, not {value!r}.")
    return int(value)


def read_positive(value, unit):
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValidationError(f"must be a number of {unit} greater than 0, not {value!r}.")
    return number


def read_whole(value):
    if not re.fullmatch("[0-9]{1,9}", value):
        raise ValidationError(f"must be a whole number, 0 or more, not {value!r}.")
    return int(value)


def read_country(value):
    if value and not re.fullmatch("[A-Z]{2}", value):
        raise ValidationError(f"must be the two letters of a country such as DE, not {value!r}.")
    return value


def read_amount(value):
    """US dollars."""
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,4})?", value):
        raise ValidationError(f"must be an amount of US dollars such as 10 or 2.50, not {value!r}.")
    return Decimal(value)


def read_optional_amount(value):
    return read_amount(value) if value else None


def read_list(value):
    return [item.strip() for item in value.split(",") if item.strip()]


def read_address(value):
    if not value or any(sign in value for sign in "/ @"):
        raise ValidationError(f"must be an IP address or a host name, not {value!r}.")
    return value


def read_url(value):
    try:
        parts = urlsplit(value)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        usable = False
    if not usable or any(sign.isspace() for sign in value):
        raise ValidationError(
            f"must be an address that starts with http:// or https://, not {value!r}."
        )
    return value.rstrip("/")


def read_optional_url(value):
    return read_url(value) if value else ""


def read_urls(value):
    return [read_url(item) for item in read_list(value)]


def read_push_urls(value):
    urls = read_urls(value)
    for url in urls:
        try:
            parse_address(url)
        except InvalidAddress as error:
            raise ValidationError(f"must be addresses of push nodes: {error}") from error
    return urls


def read_socket_urls(value):
    urls = read_list(value)
    for url in urls:
        if not re.fullmatch(r"wss?://[^\s/?#@]+(/[^\s?#@]*)?", url):
            raise ValidationError(
                f"must be addresses that start with wss:// or ws://, separated by commas, not {url!r}."
            )
    if not urls:
        raise ValidationError("must name at least one address that starts with wss://.")
    return urls


def read_hosts(value):
    hosts = read_list(value)
    for host in hosts:
        if any(sign in host for sign in "/ @"):
            raise ValidationError(f"must be host names without http:// or a path, not {host!r}.")
    return hosts


def read_memory(value):
    if not re.fullmatch("[1-9][0-9]*[KM]", value):
        raise ValidationError(f"must be a size such as 512M or 65536K, not {value!r}.")
    return value


def read_tracks(value):
    texts = read_list(value)
    for text in texts:
        try:
            read_track(text)
        except TrackError as error:
            raise ValidationError(f"must be keywords: {error}") from error
    return texts


def read_tag_prefix(value):
    if not re.fullmatch(r"[!-~]{1,50}", value):
        raise ValidationError(
            f"must be 1 to 50 letters, digits or signs without blanks, not {value!r}."
        )
    return value


def read_folder(value, base):
    path = base / value
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValidationError(f"must be a folder that can be made, but {error}.") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise ValidationError(f"must be a folder that can be written, which {str(path)!r} is not.")
    return path


def read_file(value, base):
    path = base / value
    if isinstance(value, Path):  # the default: what comes with the project needs no check
        return path
    if not path.is_file() or not os.access(path, os.R_OK):
        raise ValidationError(f"must be a file that can be read, which {str(path)!r} is not.")
    return path


def read_database(value, base):
    """Settings of the database. The address is not repeated in errors: it may hold a password."""
    try:
        config = dj_database_url.parse(value, conn_max_age=600, conn_health_checks=True)
        vendor = config["ENGINE"].rpartition(".")[2]
    except ValueError:
        vendor = ""
    # A database in memory would be another one in each process.
    if vendor not in ("sqlite3", "postgresql") or config["NAME"] in ("", ":memory:"):
        raise ValidationError(
            "must be sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>."
        )
    if vendor == "sqlite3":
        config |= {"NAME": base / config["NAME"], "OPTIONS": SQLITE_OPTIONS}
    else:
        config["OPTIONS"] = POSTGRESQL_OPTIONS | config.get("OPTIONS", {})
    return config


def read_broker(value):
    scheme, separator, _ = value.partition("://")
    if not separator or scheme not in BROKERS:
        allowed = ", ".join(f"{name}://" for name in BROKERS)
        raise ValidationError(f"must start with one of {allowed}.")
    return value


def broker_options(url):
    """One attempt, briefly: Celery would hold up who asks it for as long as the broker is gone."""
    if url.startswith("redis"):
        options = {"socket_connect_timeout": 2, "socket_timeout": 10, "socket_keepalive": True}
        # A task that a dead worker had taken is forgotten after this.
        options["visibility_timeout"] = 60
    else:
        options = {"write_timeout": 10}
    return {"max_retries": 0, **options}


def filesystem_broker(folder):
    """Options of Celery's filesystem transport; its folders are made, as it does not make them itself."""
    messages, control = folder / "messages", folder / "control"
    try:
        for path in (messages, control):
            path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        stop([f"CELERY_BROKER_URL is filesystem://, and its folder is of no use: {error}."])
    return {
        "data_folder_in": str(messages),
        "data_folder_out": str(messages),
        "control_folder": str(control),
        "polling_interval": 0.05,
    }


def keep_secret_key(path):
    """The key kept in a file of its own, made when it is missing."""
    try:
        if not path.exists():
            _make_secret_key(path)
        return path.read_text().strip()
    except OSError as error:
        stop([f"WALLPUSH_SECRET_KEY is not set, and its file is of no use: {error}."])


def _make_secret_key(path):
    # Written under another name and linked: of processes started together, one makes the key, and none sees half of it.
    handle, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(handle, "w") as file:
        file.write(secrets.token_urlsafe(50))
    try:
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        os.unlink(draft)


READERS = {
    "choice": read_choice,
    "choices": read_choices,
    "whole": read_whole,
    "country": read_country,
    "amount": read_amount,
    "optional_amount": read_optional_amount,
    "flag": read_flag,
    "port": read_port,
    "positive": read_positive,
    "address": read_address,
    "web_address": read_url,
    "optional_web_address": read_optional_url,
    "web_addresses": read_urls,
    "push_addresses": read_push_urls,
    "socket_addresses": read_socket_urls,
    "hosts": read_hosts,
    "memory": read_memory,
    "tracks": read_tracks,
    "tag_prefix": read_tag_prefix,
    "folder": read_folder,
    "file": read_file,
    "database": read_database,
    "broker": read_broker,
}


def stop(problems):
    print("\n".join(problems), file=sys.stderr)
    raise SystemExit(2)


class Environment(Env):
    """Reads every setting before it complains, so that all that is wrong is told at once."""

    def __init__(self, env_file):
        super().__init__(eager=False)
        self.problems = []
        self.written = {}
        self.env_file = env_file
        for name, reader in READERS.items():
            self.add_parser(name, reader)
        try:
            if env_file.is_file():
                self.written = dotenv_values(env_file)
            self.read_env(env_file, recurse=False)
        except (OSError, UnicodeDecodeError) as error:
            self.problems.append(f"{env_file} can not be read: {error}.")

    def require(self, condition, sentence):
        if not condition:
            self.problems.append(sentence)

    def require_distinct(self, **ports):
        names = {}
        for name, port in ports.items():
            if port in names:
                self.problems.append(f"{name} and {names[port]} must differ, both are {port}.")
            elif port:
                names[port] = name

    def stop_if_wrong(self):
        known, problems = set(self.dump()), list(self.problems)
        try:
            self.seal()
        except EnvValidationError as error:
            known |= set(error.error_messages)
            problems += [
                f"{name} {text}" for name, texts in error.error_messages.items() for text in texts
            ]
        problems += self._misspelt(known)
        if problems:
            stop(problems)

    def _misspelt(self, known):
        """Names in the file that look like ours. The environment may hold those of other programs."""
        for name in self.written:
            if name.startswith("WALLPUSH_") and name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]}?" if near else "."
                yield f"{name} in {self.env_file} is not a setting{hint}"
