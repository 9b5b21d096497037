"""Settings for tests: nothing comes from the developer's environment or `.env`, nothing is left behind."""

import atexit
import os
import tempfile

for name in [name for name in os.environ if name.startswith("WALLPUSH_")]:
    del os.environ[name]
for name in ("DATABASE_URL", "CELERY_BROKER_URL"):
    os.environ.pop(name, None)
# Another database for the same tests, as tests/engines/ names one.
if "TESTS_DATABASE_URL" in os.environ:
    os.environ["DATABASE_URL"] = os.environ["TESTS_DATABASE_URL"]
folder = tempfile.TemporaryDirectory(prefix="wallpush-tests-")
atexit.register(folder.cleanup)
# In the environment, so that processes that a test starts agree with it.
os.environ["WALLPUSH_ENV_FILE"] = os.path.join(folder.name, ".env")
os.environ["WALLPUSH_VAR"] = folder.name
os.environ["WALLPUSH_SECRET_KEY"] = "tests"
os.environ["WALLPUSH_PUBLISH_URLS"] = ""

from api.settings import *  # noqa: E402, F403
from api.settings import DATABASES, WALLPUSH_VAR  # noqa: E402

if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    # A file, as in production: a database in memory locks whole tables when threads share it.
    DATABASES["default"]["TEST"] = {"NAME": WALLPUSH_VAR / "tests.sqlite3"}
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
