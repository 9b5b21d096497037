import json

import pytest
import requests

from api.sources.x_problem import LONGEST, describe_problem, read_problem

SECRET = 'AAAAAinvented"+secret'


def make_response(content):
    response = requests.Response()
    response.status_code = 403
    response._content = content
    return response


@pytest.mark.parametrize(
    "content", [b"", b"<h1>Bad gateway</h1>", b"[1]", b'"text"', b"[" * 100000]
)
def test_body_that_is_no_object_is_an_empty_problem(content):
    assert read_problem(make_response(content), ("secret",)) == {}


def test_secrets_are_taken_out_wherever_they_stand():
    problem = {"detail": f"You sent {SECRET}.", "errors": [{"value": SECRET, SECRET: 1}]}
    response = make_response(json.dumps(problem).encode())

    assert read_problem(response, ("other", SECRET)) == {
        "detail": "You sent ….",
        "errors": [{"value": "…", "…": 1}],
    }


@pytest.mark.parametrize("shown", range(1, len(SECRET)))
def test_no_part_of_a_secret_is_left_where_the_reason_is_cut(shown):
    problem = {"detail": "x" * (LONGEST - shown) + SECRET}
    response = make_response(json.dumps(problem).encode())

    assert "A" not in describe_problem(read_problem(response, (SECRET,)))
