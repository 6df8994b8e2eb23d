"""The API as this connector needs it: JSON over the host's `http`, and what refusals mean."""

import json
from email.utils import parsedate_to_datetime

from componentize_py_types import Err
from wit_world.imports import http, types

CONTACTS = "/crm/v3/objects/contacts"
HOUR_MS = 3_600_000


def problem(code, message, remedy, field=None):
    return types.Problem(str(code), message, field, remedy)


class Refused(Exception):
    """The API refused a request; nothing was done. `refusal` is its body."""

    def __init__(self, status, refusal):
        super().__init__(status)
        self.status, self.refusal = status, refusal

    def error(self):
        code, message = self.refusal.get("category", self.status), self.refusal.get("message", "")
        if self.status == 404:
            return types.Error_NotFound(problem(code, message, "admin"))
        return types.Error_Invalid(problem(code, message, "plugin"))


class Unknown(Exception):
    """Nobody knows what became of a request."""

    def error(self):
        return types.Error_Host(str(self))


def header(response, name):
    return next((value for key, value in response.headers if key == name), None)


def failure(told):
    """The contract's error for a request that the host did not send."""
    match told:
        case http.Failure_Quota(ms):
            return Err(types.Error_RetryAfter(ms))
        case http.Failure_Unauthorized(reason):
            return Err(types.Error_Unauthorized(problem("credentials", reason, "admin")))
        case http.Failure_Denied(reason):
            return Err(types.Error_Host(reason))
    return Unknown(f"{type(told).__name__} {getattr(told, 'value', '')}")


def refusal(response):
    """The contract's error for a status that is no success."""
    try:
        body = json.loads(response.body.decode())
    except ValueError:
        # Not from the API itself, but from something before it: the status has to do.
        body = {}
    status = response.status
    told = problem(body.get("category", status), body.get("message", ""), "admin")
    if status == 401:
        return Err(types.Error_Unauthorized(told))
    if status == 403:
        return Err(types.Error_Forbidden(told))
    if status in (423, 429, 477):
        seconds = header(response, "retry-after") or ""
        wait = HOUR_MS if body.get("policyName") == "DAILY" else 10_000
        return Err(types.Error_RetryAfter(int(seconds) * 1000 if seconds.isdigit() else wait))
    if status >= 500:
        return Unknown(f"HTTP status {status}")
    return Refused(status, body)


def call(method, path, body=None, repeatable=False, quotas=()):
    """The answer's JSON and the server's clock, ms. Raises Refused, Unknown or Err."""
    headers = [] if body is None else [("content-type", "application/json")]
    sent = b"" if body is None else json.dumps(body).encode()
    request = http.Request(
        "primary", http.Method[method], path, headers, sent, repeatable, list(quotas), None, []
    )
    try:
        response = http.send(request)
    except Err as failed:
        raise failure(failed.value) from None
    if response.status >= 300:
        raise refusal(response)
    date = header(response, "date")
    time = int(parsedate_to_datetime(date).timestamp() * 1000) if date else None
    return (json.loads(response.body.decode()) if response.body else {}), time


def search(filter, last, properties, limit):
    """Up to 200 records that one filter lets through, by id, after the id `last`."""
    filters = [filter]
    if last is not None:
        filters.append({"propertyName": "hs_object_id", "operator": "GT", "value": last})
    body = {
        "filterGroups": [{"filters": filters}],
        "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
        "properties": properties,
        "limit": limit,
    }
    return call("POST", f"{CONTACTS}/search", body, repeatable=True, quotas=["search"])
