"""Asking an exporter for its metrics: what is said with the question, and which format the answer has.

What belongs here: headers of both. What must not be here: the connection (``http_client``), the text (``text``).

Reference: OpenMetrics 1.0.0; Prometheus, Exposition formats; RFC 6750 (bearer tokens).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..sources.http_client import HttpError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..sources.http_client import HttpClient

_ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
_OPENMETRICS = "application/openmetrics-text"


def ask(client: HttpClient, path: str, token_env: str | None, environ: Mapping[str, str]) -> tuple[bytes, bool]:
    """Return an exporter's answer, and whether it is in OpenMetrics.

    Args:
        client: connection to the exporter, with its time begun.
        path: path of its metrics.
        token_env: environment variable that holds the token; ``None`` if it wants none.
        environ: the environment.

    Raises:
        HttpError: if the token is not set, or there is no answer.
    """
    headers = {"Accept": _ACCEPT}
    if token_env is not None:
        token = environ.get(token_env)
        if not token:
            message = f"the environment variable {token_env}, which should hold the token, is not set"
            raise HttpError(message, "permission_denied")
        headers["Authorization"] = f"Bearer {token}"
    answer = client.get(path, headers)
    return answer.body, answer.headers.get("content-type", "").startswith(_OPENMETRICS)
