"""The environment of processes that run on other settings than the tests."""

import os


def wall_environment(**settings):
    return os.environ | {"DJANGO_SETTINGS_MODULE": "api.settings"} | settings
