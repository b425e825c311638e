"""How bash and zsh are told what the Tab key offers: names with blanks as one word, no blank after `path=`.

Typer's own completion for these shells adds what it is given as it is, and a blank; fish needs neither. Bash
divides words at signs such as : too, and replaces only what is behind the last one. Typer's names are
private, so this file alone uses them.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass, field
from typing import Any

from typer import _completion_shared as shared
from typer._completion_classes import BashComplete, ZshComplete

SPECIAL = re.compile(r"""[\s!"#$&'()*,;<>?\\^`{|}~]""")
"""Signs that bash reads as more than themselves; brackets in `layers[0]` are left for those who read them."""

BASH_SCRIPT = """
%(complete_func)s() {
    local IFS=$'\\n'
    mapfile -t COMPREPLY < <( env COMP_LINE="$COMP_LINE" COMP_POINT=$COMP_POINT \\
                              COMP_WORDBREAKS="$COMP_WORDBREAKS" \\
                              %(autocomplete_var)s=complete_bash $1 )
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    return 0
}

complete -o default -F %(complete_func)s %(prog_name)s
"""


@dataclass
class Line:
    """What is typed of a command in front of the cursor.

    Attributes:
        words: That are complete.
        last: The word at the cursor, without quotes; None behind a blank.
        start: Where the part of it begins that bash replaces: behind a sign at which bash divides words, or
            behind the quote that is open.
        quote: That is open; empty for none.
    """

    words: list[str] = field(default_factory=list)
    last: str | None = None
    start: int = 0
    quote: str = ""


def read_line(text: str, breaks: str) -> Line:
    """Return the words of a command as bash reads them.

    Args:
        text: Of the command, up to the cursor.
        breaks: The signs at which bash divides words.
    """
    line, escaped, before = Line(), False, 0
    for sign in text:
        last = line.last or ""
        if escaped:
            line.last, escaped = last + sign, False
        elif sign == "\\" and line.quote != "'":
            escaped = True
        elif sign == line.quote:
            line.quote, line.start = "", before
        elif line.quote:
            line.last = last + sign
        elif sign in "'\"":
            before = line.start
            line.last, line.quote, line.start = last, sign, len(last)
        elif sign.isspace():
            line.words += [] if line.last is None else [line.last]
            line.last, line.start = None, 0
        else:
            line.last = last + sign
            line.start = len(line.last) if sign in breaks else line.start
    return line


class _Bash(BashComplete):
    source_template = BASH_SCRIPT

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        typed = os.environ.get("COMP_LINE", "")
        point = os.environ.get("COMP_POINT", "")
        typed = typed[: int(point)] if point.isdecimal() else typed
        self.line = read_line(typed, os.environ.get("COMP_WORDBREAKS", "=:"))

    def get_completion_args(self) -> tuple[list[str], str]:
        """Return the words in front of the one to complete, and that one."""
        return self.line.words[1:], self.line.last or ""

    def format_completion(self, item: Any) -> str:
        """Return the part of a value that bash replaces: a single word, unless an open quote does that."""
        typed, start = self.line.last or "", self.line.start
        if typed.startswith("-") and "=" in typed:  # of --target=size the value alone
            start = max(0, start - len(typed.partition("=")[0]) - 1)
        value = super().format_completion(item)[start:]
        return value if self.line.quote else SPECIAL.sub(r"\\\g<0>", value)

    def complete(self) -> str:
        """Return a line for each value; in quotes, which bash closes behind a single one, two of `path=`."""
        found = self.get_completions(*self.get_completion_args())
        values = [self.format_completion(item) for item in found]
        if len(values) == 1 and self.line.quote and values[0].endswith("="):
            present = " ".join((found[0].help or "...").split())
            values.append(values[0] + present)
        return "\n".join(values)


class _Zsh(ZshComplete):
    def complete(self) -> str:
        """Return a command of zsh, which quotes values itself; those that end in = are to be continued."""
        values = [item.value for item in self.get_completions(*self.get_completion_args())]
        if values and all(value.endswith("=") for value in values):
            return f"compadd -S '' -- {shlex.join(values)}"
        return super().complete()


def use_own_completion() -> None:
    """Have Typer complete by the classes of this file.

    They are registered with what Typer's own classes come from: Click, or the part of it inside later Typers.
    """
    base = sys.modules[BashComplete.__mro__[1].__module__]
    base.add_completion_class(_Bash, "bash")
    base.add_completion_class(_Zsh, "zsh")
    shared._completion_scripts["bash"] = BASH_SCRIPT
