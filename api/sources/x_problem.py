"""Why something went wrong between X and us, in one line."""

import json

import requests

LONGEST = 300


def read_problem(response, secrets):
    """The body of a refusal; an empty one if it is no JSON object, as from a proxy in between."""
    try:
        problem = response.json()
    except (requests.RequestException, RecursionError):
        return {}
    return take_out(problem, secrets) if isinstance(problem, dict) else {}


def take_out(body, secrets):
    """X may repeat what was sent, so the secrets are taken out of what it says, before anything is cut."""
    text = json.dumps(body, ensure_ascii=False)
    for secret in secrets:
        text = text.replace(json.dumps(secret, ensure_ascii=False)[1:-1], "…")
    return json.loads(text)


def describe_problem(problem):
    details = problem.get("details")
    if not details or not isinstance(details, list):
        details = [problem.get("detail") or problem.get("title")]
    reason = " ".join(str(detail) for detail in details if detail)
    reason = " ".join(reason.split())[:LONGEST] or "X gave no reason"
    return reason if reason[-1] in ".!?" else f"{reason}."


def describe_failure(error):
    """What went wrong on the network, without the address that requests repeats in front of it."""
    cause = error.args[0] if error.args else error
    return " ".join(str(getattr(cause, "reason", cause)).split())[:LONGEST].rstrip(".")
