"""Ask a URL again and again, on a new connection each time.

    python probe.py URL SECONDS_BETWEEN

Until its standard input ends; then it prints one JSON object: how many requests it made, how many of them
were answered with 200 (by the answer's first line), how many failed (by reason), and how long the slowest
took. Since it ends with its input, it cannot outlive whoever started it.
"""

from __future__ import annotations

import http.client
import json
import select
import sys
import time
from collections import Counter
from urllib.parse import urlsplit

TIMEOUT = 60.0
"""Seconds for an answer, which only a hang takes."""


def ask(url: str) -> tuple[bool, str]:
    """Make one request: whether it was answered with 200, and the answer's first line or what went wrong."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=TIMEOUT)
    try:
        connection.request("GET", parts.path or "/")
        answer = connection.getresponse()
        body = answer.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return False, f"{type(error).__name__}: {error}"
    finally:
        connection.close()
    if answer.status != http.client.OK:
        return False, f"HTTP {answer.status}"
    return True, body.partition("\n")[0]


def main(url: str, pause: float) -> None:
    """Ask until standard input ends."""
    answered: Counter[str] = Counter()
    failed: Counter[str] = Counter()
    slowest = 0.0
    while not select.select([sys.stdin], [], [], pause)[0]:
        start = time.monotonic()
        is_answer, text = ask(url)
        slowest = max(slowest, time.monotonic() - start)
        (answered if is_answer else failed)[text] += 1
    requests = answered.total() + failed.total()
    print(json.dumps({"requests": requests, "answered": answered, "failed": failed, "slowest": slowest}))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
