"""Keeps tokens and keys out of addresses, messages and logs.

What belongs here: finding a secret in a text, however it is written there. What must not be here: reading secrets.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from urllib.parse import quote, quote_plus

MASK = "***"
"""What stands in place of a secret."""
_CHATTY_LOGGERS = ("urllib3.connectionpool", "urllib3.connection", "urllib3.util.retry")


def redacted(text: str, secrets: Collection[str]) -> str:
    """Give a text in which no secret stands, neither as it is nor percent-encoded in any of the usual ways.

    Args:
        text: an address, a message, a line of a log.
        secrets: the values that nobody may see; empty ones are passed over.
    """
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = re.sub(re.escape(form), MASK, text, flags=re.IGNORECASE if "%" in form else 0)
    return text


def redacted_bytes(body: bytes, secrets: Collection[str]) -> bytes:
    """Give a content in which no secret stands; one without any stays as it came, byte by byte.

    Args:
        body: the content, in an encoding that writes ASCII as ASCII.
        secrets: the values that nobody may see; empty ones are passed over.
    """
    # Latin-1 has a letter for every byte, so that nothing else changes; a secret beyond ASCII is there as in UTF-8.
    return redacted(body.decode("latin-1"), [_as_latin(secret) for secret in secrets]).encode("latin-1")


def _as_latin(secret: str) -> str:
    return secret.encode().decode("latin-1")


def _forms(secret: str) -> set[str]:
    # JSON may write a slash as backslash and slash.
    return {
        secret,
        secret.replace("/", "\\/"),
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        quote(secret, safe="/:?@!$&'()*+,;="),
    }


class _Current(threading.local):
    """The secrets of the request that this thread is making."""

    secrets: tuple[str, ...] = ()


_current = _Current()


class _Redacting(logging.Filter):
    """Takes the secrets of the running request out of what the HTTP library logs (it logs whole addresses)."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record; it is always kept."""
        if _current.secrets:
            record.msg, record.args = redacted(record.getMessage(), _current.secrets), ()
        return True


_REDACTING = _Redacting()


@contextmanager
def kept_from_logs(secrets: Collection[str]) -> Iterator[None]:
    """Take these secrets out of the HTTP library's logs of this thread until the end of the block."""
    for name in _CHATTY_LOGGERS:
        logging.getLogger(name).addFilter(_REDACTING)
    before, _current.secrets = _current.secrets, tuple(secrets)
    try:
        yield
    finally:
        _current.secrets = before
