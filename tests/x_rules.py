"""What the stand-in answers about rules, in X's shapes. No network here: see x_server.py."""

import itertools
import re
from datetime import UTC, datetime

MAX_RULE_CHARACTERS = 1024
APP_ID = "27000001"
PROBLEMS = "https://api.twitter.com/2/problems"
QUOTED = re.compile(r'"(?:\\.|[^"\\])*"')
TOKENS = re.compile(rf"-?{QUOTED.pattern}|[^\s()]+")
CONJUNCTION_REQUIRED = ("is:", "has:", "lang:", "sample:")


def make_meta(**more):
    return {"sent": datetime.now(UTC).isoformat(timespec="milliseconds")[:-6] + "Z", **more}


def refuse_parameter(name, value, message):
    """Status and body of the answer to a request with a wrong parameter."""
    return 400, {
        "errors": [{"parameters": {name: [value]}, "message": message}],
        "title": "Invalid Request",
        "detail": "One or more parameters to your request was invalid.",
        "type": f"{PROBLEMS}/invalid-request",
    }


def find_fault(value):
    """Why X would refuse a rule, or "". As much of its grammar as tests need; extend it here."""
    if len(value) > MAX_RULE_CHARACTERS:
        return f"Rules must be at most {MAX_RULE_CHARACTERS} characters long."
    if '"' in TOKENS.sub("", value) or any(
        token.count('"') == 1 for token in TOKENS.findall(value)
    ):
        return "A quote is not closed."
    operators = QUOTED.sub("", value)
    if operators.count("(") != operators.count(")"):
        return "A parenthesis is not closed."
    if all(token.startswith(("-", *CONJUNCTION_REQUIRED)) for token in TOKENS.findall(value)):
        return "Rules must contain at least one positive, non-stopword clause."
    return ""


class Rules:
    """The rules of one app at X.

    `refused` maps values to the reason X should give. What X does with the good rules of a request
    that holds a bad one, and with which status it answers, is not documented: both can be set.
    `cap` is how many this app may have, `project_cap` all apps of its project together;
    `other_apps` says how many the others have.
    """

    def __init__(self):
        self.stored = []
        self.refused = {}
        self.refused_status = 200
        self.all_or_nothing = False
        self.cap = self.project_cap = 1000
        self.other_apps = {}
        self._ids = itertools.count(1900000000000000001)

    def __len__(self):
        return len(self.stored)

    def add(self, value, tag=None):
        rule = {"id": str(next(self._ids)), "value": value} | ({"tag": tag} if tag else {})
        self.stored.append(rule)
        return rule

    def list(self, ids):
        found = [rule for rule in self.stored if not ids or rule["id"] in ids]
        return ({"data": found} if found else {}) | {"meta": make_meta(result_count=len(found))}

    def count(self):
        counts = {APP_ID: len(self.stored)} | self.other_apps
        apps = [{"client_app_id": app, "rule_count": count} for app, count in counts.items()]
        return {
            "data": {
                "all_project_client_apps": apps,
                "cap_per_client_app": self.cap,
                "cap_per_project": self.project_cap,
                "client_app_rules_count": apps[0],
                "project_rules_count": sum(counts.values()),
            }
        }

    def change(self, body, dry_run):
        """Status and body of the answer to a POST."""
        match body:
            case {"add": [_, *_] as additions}:
                return self._create(additions, dry_run)
            case {"delete": {"ids": [_, *_] as ids}}:
                return self._delete(ids, dry_run)
        return 400, {
            "errors": [{"message": "one of `add` or `delete` is required"}],
            "title": "Invalid Request",
            "detail": "One or more parameters to your request was invalid.",
            "type": f"{PROBLEMS}/invalid-request",
        }

    def _create(self, additions, dry_run):
        before = list(self.stored)
        created, errors = [], []
        for addition in additions:
            error = self._refuse(addition)
            if error:
                errors.append(error)
            else:
                created.append(self.add(addition["value"], addition.get("tag")))
        if created and self._is_over_cap():
            self.stored = before
            return 422, self._describe_cap()
        if errors and self.all_or_nothing:
            created, dry_run = [], True
        if dry_run:
            self.stored = before
        return self._describe_creation(created, errors, not_created=len(additions) - len(created))

    def _is_over_cap(self):
        others = sum(self.other_apps.values())
        return len(self.stored) > min(self.cap, self.project_cap - others)

    def _describe_cap(self):
        return {
            "title": "RulesCapExceeded",
            "detail": f"Your app may have {self.cap} rules, the apps of your project {self.project_cap}.",
            "type": f"{PROBLEMS}/rule-cap",
        }

    def _describe_creation(self, created, errors, *, not_created):
        count = {"created": len(created), "not_created": not_created}
        count |= {"valid": len(created), "invalid": not_created}
        body = ({"data": created} if created else {}) | {"meta": make_meta(summary=count)}
        if errors:
            body["errors"] = errors
        only_refused = any(error["title"] != "DuplicateRule" for error in errors) and not created
        return (201 if created else self.refused_status if only_refused else 200), body

    def _refuse(self, addition):
        value = addition["value"]
        for rule in self.stored:
            if rule["value"] == value:
                kind = {"title": "DuplicateRule", "type": f"{PROBLEMS}/duplicate-rules"}
                return {"value": value, "id": rule["id"], **kind}
        reason = self.refused.get(value) or find_fault(value)
        kind = {"title": "UnprocessableEntity", "type": f"{PROBLEMS}/invalid-rules"}
        return {"value": value, "details": [reason], **kind} if reason else None

    def _delete(self, ids, dry_run):
        known = {rule["id"] for rule in self.stored}
        errors = [
            {
                "errors": [{"message": "Rule does not exist", "parameters": {}}],
                "title": "Invalid Request",
                "detail": "One or more parameters to your request was invalid.",
                "type": f"{PROBLEMS}/invalid-request",
            }
            for unknown in ids
            if unknown not in known
        ]
        if not dry_run:
            self.stored = [rule for rule in self.stored if rule["id"] not in ids]
        count = {"deleted": len(ids) - len(errors), "not_deleted": len(errors)}
        return 200, {"meta": make_meta(summary=count)} | ({"errors": errors} if errors else {})
