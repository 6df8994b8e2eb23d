"""A connector in Python: the contacts of HubSpot, read, found and written.

One instance serves one job and its calls come one after another. `api.py` sends, `schema.py` knows
the fields, `read.py` and `write.py` do what they are called. Credentials, quotas, repeats and
waiting are the host's. What is printed goes to the host's log; a traceback does too.
"""

from functools import wraps

import read
import write
from api import Refused, Unknown, call, problem
from componentize_py_types import Err
from schema import schema
from wit_world import exports
from wit_world.exports.connector import Account, Found
from wit_world.imports import types


def known(object):
    if object != "contacts":
        told = problem("object", f"there is no {object} here", "admin")
        raise Err(types.Error_NotFound(told))


def answer(work):
    """A failure that stops a call becomes the contract's error; anything else ends the job."""

    @wraps(work)
    def guarded(*arguments):
        try:
            return work(*arguments)
        except (Refused, Unknown) as stopped:
            raise Err(stopped.error()) from None

    return guarded


def unsupported(what):
    return Err(types.Error_Unsupported(f"{what} is not part of this example"))


class Connector(exports.Connector):
    def configure(self, configuration):
        pass

    @answer
    def check(self):
        details, _ = call("GET", "/account-info/v3/details")
        portal, zone = str(details["portalId"]), details.get("timeZone")
        facts = [("time-zone", types.Value_Text(zone))] if zone else []
        return Account(portal, f"HubSpot {portal}", facts)

    @answer
    def discover(self, objects):
        for object in objects:
            known(object)
        return [schema() for _ in objects]

    @answer
    def read_page(self, request):
        known(request.object)
        return read.read_page(request)

    @answer
    def read_records(self, request):
        known(request.object)
        return read.read_records(request.columns, request.ids)

    @answer
    def find(self, request):
        known(request.object)
        if len(request.keys) != 1:
            raise unsupported("finding by several columns together")
        values = [value for (value,) in request.values]
        return Found(read.find(request.columns, request.keys[0], values), None, [])

    @answer
    def write(self, request):
        known(request.object)
        return write.write(request)

    def objects(self):
        raise unsupported("listing objects")

    def merge(self, request):
        raise unsupported("merging")

    def finish(self, request):
        raise unsupported("finishing")

    def add_activities(self, activities):
        raise unsupported("adding activities")

    def webhook(self, hook):
        raise unsupported("a webhook")

    def subscribe(self, request):
        raise unsupported("subscribing")

    def renew(self, token):
        raise unsupported("renewing")

    def unsubscribe(self, token):
        raise unsupported("unsubscribing")
