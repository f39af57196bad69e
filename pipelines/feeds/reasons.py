"""Why a feed gave nothing, or less than was asked for: a closed list.

What belongs here: the codes and one sentence on each. What must not be here: how they come about.
"""

from __future__ import annotations

FETCH_REASONS = {
    "not_configured": "a token, a user name or an address that the source needs is not set",
    "unauthorised": "the provider refuses the credentials or the plan does not cover the request (401, 403)",
    "not_found": "the provider knows no such zone, range or path (404, 410)",
    "bad_request": "the provider refuses the request as wrong (other 4xx)",
    "rate_limited": "the provider asks to wait longer than we may (429)",
    "server_error": "the provider fails (5xx), also after the retries",
    "unreachable": "no connection: name, network, refused or reset",
    "tls": "the certificate of the host is not trusted",
    "timeout": "no complete answer before the deadline",
    "redirected": "the answer points to another host, or redirects without end",
    "too_large": "the answer is longer than the cap",
    "truncated": "the answer ends before its stated length",
}
"""Reasons for which there is no answer at all."""

READ_REASONS = {
    "not_the_format": "the answer is not the format of the source (HTML, cut off, another encoding)",
    "unknown_shape": "the format is right, but a field is missing, renamed or of another type",
    "wrong_zone": "the answer speaks of another zone than the one asked for",
    "wrong_unit": "the answer states another unit, signal or emission factor type than the one asked for",
    "outside_range": "an interval lies outside of what was asked for",
    "bad_time": "a time cannot be read, has no zone where it must, or lies in the future",
    "bad_interval": "an interval is empty, negative, of an unknown step, or overlaps another one",
    "bad_value": "a value is no finite number, is negative, or lies above what can be",
    "conflicting": "the same interval is stated with two values",
    "unknown_fuel": "a kind of generation that the factor set does not know",
    "no_value": "the provider states that it has no value (null)",
    "sun_misplaced": "solar generation lies hours away from solar noon: intervals seem to be labelled wrong; a note",
}
"""Reasons for which a part of an answer, or all of it, is not taken."""

MAY_PASS = frozenset({"rate_limited", "server_error", "unreachable", "timeout", "truncated", "not_the_format"})
"""Reasons that may be gone some minutes later; an outage often answers with a page in another format."""

REASONS = FETCH_REASONS | READ_REASONS
