"""What a spec, a run's contract and a command's options may say of how a data file is read."""

from __future__ import annotations

import re

DELIMITER_PATTERN = r"^[\x01\t\x1f !#$%&()*,/:;<=>?@\\^_`{|}~]?$"
DELIMITER_RULE = "a single sign between cells, such as ';', '|', \"\\t\", or ' ' for one or more blanks"

COMMENT_PATTERN = r"^(--|[!#$%&*/;>@\\^|~]{1,3})?$"
COMMENT_RULE = "the signs with which comment lines begin, such as '#' or '//'"

SERVER = re.compile(r"postgres(?:ql)?:/+")
"""How the address of a database server begins; a `Path` keeps one of its two slashes."""

_FILE_SCHEME = re.compile(r"(?:sqlite|duckdb):///(?=.)")


def split_scheme(text: str) -> tuple[str, str]:
    """Return `sqlite:///` and the path of a database's file; an empty scheme for any other path."""
    match = _FILE_SCHEME.match(text)
    return (match[0], text[match.end() :]) if match else ("", text)


def is_server(text: str) -> bool:
    """Return whether a text is the address of a database server."""
    return bool(SERVER.match(text))


def server_address(text: str) -> str:
    """Return the address of a database server as its driver takes it, also from the text of a `Path`."""
    return SERVER.sub("postgresql://", text, count=1)
