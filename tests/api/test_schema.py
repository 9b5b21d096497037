import re

import pytest
from django.contrib.staticfiles import finders
from django.core.management import call_command

from api.query import TweetParameters


def test_schema_is_valid_and_complete(tmp_path):
    call_command("spectacular", validate=True, fail_on_warn=True, file=str(tmp_path / "schema.yml"))

    assert (tmp_path / "schema.yml").stat().st_size > 5000


def test_schema_explains_every_parameter(client):
    schema = client.get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    parameters = schema["paths"]["/api/tweets/"]["get"]["parameters"]

    explained = {item["name"] for item in parameters if item["description"]}
    assert explained == set(TweetParameters().fields)
    assert sorted(schema["paths"]) == [
        "/api/authors/",
        "/api/authors/{id}/",
        "/api/health/",
        "/api/keywords/",
        "/api/metrics/",
        "/api/stats/",
        "/api/tracks/",
        "/api/tracks/{id}/",
        "/api/tweets/",
        "/api/tweets/{id}/",
        "/api/wall/",
    ]


def test_schema_tells_what_is_for_staff_alone(client):
    schema = client.get("/api/schema/", HTTP_ACCEPT="application/vnd.oai.openapi+json").json()
    guarded = {
        (path, method)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
        if any(operation.get("security", []))
    }

    assert guarded == {
        ("/api/tracks/", "get"),
        ("/api/tracks/", "post"),
        ("/api/tracks/{id}/", "get"),
        ("/api/tracks/{id}/", "delete"),
    }
    assert set(schema["components"]["securitySchemes"]) == {"basicAuth", "cookieAuth"}


def test_docs_need_no_other_host_and_no_inline_script_or_style(client):
    page = client.get("/api/docs/").content.decode()
    script = re.search(r'src="([^"]+script=[^"]*)"', page).group(1)
    parts = page + client.get(script).content.decode()

    assert re.findall(r"""["'](?:https?:)?//[^"']*""", parts) == []
    assert not re.search(r"<style|style=|<script>|<script(?![^>]* src=)| on\w+=", page)
    assert '"validatorUrl": null' in parts


def test_docs_assets_are_ours(client):
    page = client.get("/api/docs/").content.decode()
    assets = re.findall(r'(?:src|href)="/static/([^"]+)"', page)

    assert len(assets) == 4
    assert [name for name in assets if not finders.find(name)] == []


@pytest.mark.parametrize(
    "path", ["/api/tweets/", "/api/stats/", "/api/health/", "/api/tracks/", "/api/tracks/7/"]
)
def test_browsable_api_has_no_inline_script_or_style(admin_client, path):
    page = admin_client.get(path, HTTP_ACCEPT="text/html").content.decode()

    assert re.findall(r"<script(?![^>]* src=)(?![^>]*application/json)[^>]*>|<style>", page) == []
    assert re.findall(r'(?:src|href)="(?:https?:)?//(?!testserver)[^"]*"', page) == []
