"""How bash and zsh are told what the Tab key offers: names with blanks as one word, no blank after `path=`.

Typer's own completion for these shells adds what it is given as it is, and a blank; fish needs neither. Its
names are private in Typer, so this file alone uses them.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from typing import Any

from typer import _completion_shared as shared
from typer._completion_classes import BashComplete, ZshComplete

SPECIAL = re.compile(r"""[\s!"#$&'()*,;<>?\\^`{|}~]""")
"""Signs that bash reads as more than themselves; brackets in `layers[0]` are left for those who read them."""

BASH_SCRIPT = """
%(complete_func)s() {
    local IFS=$'\\n'
    mapfile -t COMPREPLY < <( env COMP_WORDS="${COMP_WORDS[*]}" \\
                              COMP_CWORD=$COMP_CWORD \\
                              MLPCLI_TYPED="${COMP_WORDS[COMP_CWORD]}" \\
                              %(autocomplete_var)s=complete_bash $1 )
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    return 0
}

complete -o default -F %(complete_func)s %(prog_name)s
"""
TYPED = "MLPCLI_TYPED"
"""The word as it is typed, with its quotes."""


class _Bash(BashComplete):
    source_template = BASH_SCRIPT

    def format_completion(self, item: Any) -> str:
        """Return a value as a single word, unless the quote in front of it does that."""
        value = super().format_completion(item)
        quoted = os.environ.get(TYPED, "").startswith(("'", '"'))
        return value if quoted else SPECIAL.sub(r"\\\g<0>", value)


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
