"""Answers with which the connection ends: HTTP/1.0, as small exporters in Python speak it, and `Connection: close`."""

from __future__ import annotations

import pytest

from collectors.sources.http_client import HttpClient, HttpError
from tests.support.stub_http import Reply, serving

BODY = b"up 1\n" * 50_000


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + BODY),
        Reply(raw=b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n" % len(BODY) + BODY),
        Reply(BODY, headers={"Connection": "close"}),
        Reply(BODY),
    ],
)
def test_an_answer_is_read_whole_whether_the_connection_stays_or_ends(reply):
    with serving() as stub:
        stub.answers["/metrics"] = reply
        client = HttpClient(stub.url, timeout_s=5, max_bytes=1 << 20)
        for _ in range(3):
            client.begin()
            assert client.get("/metrics").body == BODY
        client.close()


def test_an_answer_that_is_cut_off_with_the_connection_says_so():
    with serving() as stub:
        stub.answers["/"] = Reply(raw=b"HTTP/1.0 200 OK\r\nContent-Length: 9\r\n\r\nshort")
        client = HttpClient(stub.url, timeout_s=5, max_bytes=100)
        client.begin()
        with pytest.raises(HttpError, match="cut off after 5 of 9 bytes"):
            client.get("/")
        client.close()
