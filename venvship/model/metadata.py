"""The header of a wheel's METADATA or WHEEL file, within bounds: anybody may have written it.

The format is that of https://packaging.python.org/en/latest/specifications/core-metadata/: header fields as
of an e-mail, then a blank line and the description, which is not read.
"""

from __future__ import annotations

import email.parser
import email.policy
import re
from collections.abc import Sequence
from email.message import Message
from typing import Final

from venvship.model import bounds

_END: Final = re.compile(rb"\r\n\r?\n|\n\r?\n|\r\r")


def read_headers(data: bytes) -> Message:
    """Read the header fields. METADATA of old wheels may be in any encoding; the fields that count are ASCII.

    Raises:
        ValueError: It has more lines than any wheel; the message goes on after the file's name.
    """
    head = _END.split(data, maxsplit=1)[0]
    if head.count(b"\n") + head.count(b"\r") > bounds.HEADERS:
        raise ValueError(f"its header has more than {bounds.HEADERS:,} lines")
    parser = email.parser.HeaderParser(policy=email.policy.compat32)
    return parser.parsestr(head.decode(errors="replace"))


def fields_of(headers: Message, name: str) -> Sequence[str]:
    """The values of a field, each on one line with single blanks.

    Raises:
        ValueError: One has more characters than any wheel has there.
    """
    found = [" ".join(str(value).split()) for value in headers.get_all(name, ())]
    if any(len(value) > bounds.FIELD for value in found):
        raise ValueError(f"its {name} has more than {bounds.FIELD:,} characters")
    return found
