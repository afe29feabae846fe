"""Faults that end or stop a process would end the test: another one, which takes the same parameters, goes in their place."""

import schemathesis

HARMLESS = "stale"


def spared(value):
    if isinstance(value, dict):
        return {key: HARMLESS if key == "fault" and one in ("crash", "freeze") else spared(one) for key, one in value.items()}
    if isinstance(value, list):
        return [spared(one) for one in value]
    return value


@schemathesis.hook
def before_call(context, case, kwargs):
    case.body = spared(case.body)
