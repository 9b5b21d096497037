import os
import re
import stat
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parent.parent.parent
PYTHON = sys.executable
CHECK = [PYTHON, "-c", "import api.settings"]
COMMANDS = {
    "manage.py": [PYTHON, "manage.py", "check"],
    "celery": [PYTHON, "-m", "celery", "-A", "api", "worker"],
    "gunicorn": [PYTHON, "-m", "gunicorn", "api.wsgi"],
}


@pytest.fixture
def run(tmp_path):
    """Runs a command with these settings and nothing but these, in a folder of its own."""
    clean = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    clean |= {
        "WALLPUSH_VAR": str(tmp_path / "var"),
        "WALLPUSH_ENV_FILE": str(tmp_path / ".env"),
    }

    def run_with(command, **settings):
        return subprocess.run(
            command, cwd=PROJECT, env=clean | settings, capture_output=True, text=True, timeout=60
        )

    return run_with


@pytest.fixture
def refuse(tmp_path, monkeypatch, capsys):
    """Reads the settings in this process and gives what is said while they are refused."""
    for name in [name for name in os.environ if name.startswith("WALLPUSH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("WALLPUSH_VAR", str(tmp_path / "var"))
    monkeypatch.setenv("WALLPUSH_ENV_FILE", str(tmp_path / ".env"))

    def refuse_settings(**settings):
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        # Under another name, as the settings that the tests run with stay as they are.
        spec = spec_from_file_location("api.refused_settings", PROJECT / "api" / "settings.py")
        with pytest.raises(SystemExit) as stopped:
            spec.loader.exec_module(module_from_spec(spec))
        assert stopped.value.code == 2
        return capsys.readouterr().err

    return refuse_settings


@pytest.mark.parametrize("program", COMMANDS)
def test_settings_wrong_are_all_told_without_a_traceback(run, program):
    done = run(
        COMMANDS[program],
        WALLPUSH_FRONT_PORT="http",
        WALLPUSH_REPLAY_SPEED="fast",
        DATABASE_URL="mysql://root:secret@db/wall",
    )

    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "WALLPUSH_REPLAY_SPEED must be a number of messages per second greater than 0, not 'fast'.",
        "WALLPUSH_FRONT_PORT must be a port, a whole number from 1 to 65535, not 'http'.",
        "DATABASE_URL must be sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>.",
    ]


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("WALLPUSH_SOURCE", "twitter", "must be one or more of replay, x, bluesky, separated by commas, not 'twitter'."),
        ("WALLPUSH_SOURCE", "x,twitter", "must be one or more of replay, x, bluesky, separated by commas, not 'x,twitter'."),
        ("WALLPUSH_SOURCE", ",", "must be one or more of replay, x, bluesky, separated by commas, not ','."),
        ("WALLPUSH_COUNTRY", "Germany", "must be the two letters of a country such as DE, not 'Germany'."),
        ("WALLPUSH_RETENTION_DAYS", "-1", "must be a whole number, 0 or more, not '-1'."),
        ("WALLPUSH_X_DAILY_BUDGET", "$10", "must be an amount of US dollars such as 10 or 2.50, not '$10'."),
        ("WALLPUSH_X_POST_PRICE", "", "must be an amount of US dollars such as 10 or 2.50, not ''."),
        ("WALLPUSH_X_TAG_PREFIX", "my wall", "must be 1 to 50 letters, digits or signs without blanks, not 'my wall'."),
        ("WALLPUSH_X_RECHECK_MINUTES", "0", "must be a number of minutes greater than 0, not '0'."),
        ("WALLPUSH_BLUESKY_URLS", "https://a", "must be addresses that start with wss:// or ws://, separated by commas, not 'https://a'."),
        ("WALLPUSH_BLUESKY_URLS", ",", "must name at least one address that starts with wss://."),
        ("WALLPUSH_KEYWORDS", "from:", "must be keywords: 'from:' names no account: write from: and its name, as in from:ada_l."),
        ("WALLPUSH_LOG_LEVEL", "loud", "must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, not 'loud'."),
        ("WALLPUSH_REPLAY_FILE", "no/such.jsonl", f"must be a file that can be read, which '{PROJECT}/no/such.jsonl' is not."),
        ("WALLPUSH_REPLAY_SPEED", "nan", "must be a number of messages per second greater than 0, not 'nan'."),
        ("WALLPUSH_REPLAY_SPEED", "-1", "must be a number of messages per second greater than 0, not '-1'."),
        ("WALLPUSH_REPLAY_LOOP", "maybe", "must be true or false, not 'maybe'."),
        ("WALLPUSH_DEBUG", "", "must be true or false, not ''."),
        ("WALLPUSH_X_BASE_URL", "api.x.com", "must be an address that starts with http:// or https://, not 'api.x.com'."),
        ("WALLPUSH_KEYWORDS", "wall,#", "must be keywords: '#' can not be a channel: nothing is left of this term."),
        ("WALLPUSH_PUBLISH_URLS", "http://a:1,ftp://b", "must be an address that starts with http:// or https://, not 'ftp://b'."),
        ("WALLPUSH_PUBLISH_URLS", "http://a:99999", "must be an address that starts with http:// or https://, not 'http://a:99999'."),
        ("WALLPUSH_PUBLISH_URLS", "http://a:b@c", "must be addresses of push nodes: A push URL holds no user name or password; remove them."),
        ("WALLPUSH_SUBSCRIBE_URLS", "http://a?b", "must be addresses of push nodes: A push URL ends with a host, a port and at most a path, such as http://127.0.0.1:8001."),
        ("WALLPUSH_PUBLISH_TIMEOUT", "0", "must be a number of seconds greater than 0, not '0'."),
        ("WALLPUSH_FRONT_ADDRESS", "http://here", "must be an IP address or a host name, not 'http://here'."),
        ("WALLPUSH_FRONT_PORT", "0", "must be a port, a whole number from 1 to 65535, not '0'."),
        ("WALLPUSH_PUSH_PORT", "65536", "must be a port, a whole number from 1 to 65535, not '65536'."),
        ("WALLPUSH_PUSH_MEMORY", "lots", "must be a size such as 512M or 65536K, not 'lots'."),
        ("WALLPUSH_EVENTS_URL", "push.example.com", "must be an address that starts with http:// or https://, not 'push.example.com'."),
        ("WALLPUSH_ALLOWED_HOSTS", "wall.example.com,https://x", "must be host names without http:// or a path, not 'https://x'."),
        ("WALLPUSH_PUSH_PORT", "1" * 5000, f"must be a port, a whole number from 1 to 65535, not '{'1' * 5000}'."),
        ("DATABASE_URL", "sqlite://:memory:", "must be sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>."),
        ("DATABASE_URL", "postgresql://db", "must be sqlite:///<path> or postgresql://<user>:<password>@<host>/<name>."),
        ("CELERY_BROKER_URL", "here", "must start with one of filesystem://, redis://, rediss://, amqp://, amqps://."),
        ("WALLPUSH_VAR", "manage.py/var", f"must be a folder that can be made, but [Errno 20] Not a directory: '{PROJECT}/manage.py/var'."),
    ],
)  # fmt: skip
def test_setting_wrong_says_what_is_allowed(refuse, name, value, sentence):
    assert refuse(**{name: value}) == f"{name} {sentence}\n"


@pytest.mark.parametrize("sources", ["x", "bluesky,x"])
def test_settings_need_a_token_for_x(refuse, sources):
    assert refuse(WALLPUSH_SOURCE=sources) == (
        "WALLPUSH_X_BEARER_TOKEN must hold the bearer token of an app at X"
        " when WALLPUSH_SOURCE names x.\n"
    )


def test_settings_refuse_one_port_twice(refuse):
    assert refuse(WALLPUSH_DJANGO_PORT="8001") == (
        "WALLPUSH_DJANGO_PORT and WALLPUSH_PUSH_PORT must differ, both are 8001.\n"
    )


def test_settings_name_a_subscribe_address_for_each_push_node(refuse):
    urls = "http://a:8001,http://b:8001"
    assert refuse(WALLPUSH_PUBLISH_URLS=urls, WALLPUSH_SUBSCRIBE_URLS="http://a:8002") == (
        "WALLPUSH_SUBSCRIBE_URLS must name one address for each of WALLPUSH_PUBLISH_URLS, in their order.\n"
    )


def test_settings_come_from_the_file(refuse, tmp_path):
    (tmp_path / ".env").write_text("WALLPUSH_FRONT_PORT=x\nWALLPUSH_SORCE=x\nOTHER=1\n")

    assert refuse().splitlines() == [
        "WALLPUSH_FRONT_PORT must be a port, a whole number from 1 to 65535, not 'x'.",
        f"WALLPUSH_SORCE in {tmp_path}/.env is not a setting; did you mean WALLPUSH_SOURCE?",
    ]


def test_settings_of_the_environment_go_before_the_file(run, tmp_path):
    (tmp_path / ".env").write_text("WALLPUSH_FRONT_PORT=x\n")

    assert run(CHECK, WALLPUSH_FRONT_PORT="8100").returncode == 0


def test_settings_file_that_is_no_text_is_told(refuse, tmp_path):
    (tmp_path / ".env").write_bytes(b"WALLPUSH_WALL_TITLE=\xff\n")

    assert refuse() == (
        f"{tmp_path}/.env can not be read:"
        " 'utf-8' codec can't decode byte 0xff in position 20: invalid start byte.\n"
    )


def test_secret_key_is_made_once_for_its_owner_only(run, tmp_path):
    show = [PYTHON, "-c", "from api import settings; print(settings.SECRET_KEY)"]

    first, second = run(show).stdout, run(show).stdout

    path = tmp_path / "var" / "secret_key"
    assert first == second == path.read_text() + "\n"
    assert len(first) > 60
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sorted(item.name for item in path.parent.iterdir()) == ["broker", "secret_key"]


def test_secret_key_that_can_not_be_read_is_told(refuse, tmp_path):
    (tmp_path / "var" / "secret_key").mkdir(parents=True)

    assert refuse() == (
        "WALLPUSH_SECRET_KEY is not set, and its file is of no use:"
        f" [Errno 21] Is a directory: '{tmp_path}/var/secret_key'.\n"
    )


def test_broker_folder_that_can_not_be_made_is_told(refuse, tmp_path):
    (tmp_path / "var").mkdir()
    (tmp_path / "var" / "broker").touch()

    assert refuse() == (
        "CELERY_BROKER_URL is filesystem://, and its folder is of no use:"
        f" [Errno 20] Not a directory: '{tmp_path}/var/broker/messages'.\n"
    )


def test_every_setting_stands_in_the_example():
    read = r'"((?:WALLPUSH_|DATABASE_|CELERY_BROKER_)[A-Z_]+)"'
    settings = set(re.findall(read, (PROJECT / "api/settings.py").read_text()))
    example = re.findall(r"^#([A-Z_]+)=", (PROJECT / ".env.example").read_text(), re.MULTILINE)

    assert sorted(example) == sorted(settings)


def test_example_shows_the_defaults(run, tmp_path):
    """Its lines, read as settings, change nothing; but for those that name the folder, which is another one here."""
    show = [PYTHON, "-c", SHOW_SETTINGS]
    defaults = run(show)
    elsewhere = ("#WALLPUSH_ENV_FILE=", "#WALLPUSH_VAR=", "#DATABASE_URL=")
    lines = (PROJECT / ".env.example").read_text().splitlines()
    settings = [line[1:] for line in lines if re.match("#[A-Z]", line)]
    written = [line for line in settings if not f"#{line}".startswith(elsewhere)]
    (tmp_path / ".env").write_text("\n".join(written))

    example = run(show)

    assert example.stderr == ""
    assert example.stdout == defaults.stdout
    assert len(defaults.stdout.splitlines()) > 20


SHOW_SETTINGS = """
from api import settings
for name, value in sorted(vars(settings).items()):
    if name.startswith(("WALLPUSH_", "CELERY_")):
        print(name, value)
"""
