"""What the program is called where commands are named for the user: as it was started, else `mlpcli`.

`scripts/run` starts it by a path that it is not installed under, and says so in `MLPCLI_PROGRAM`. What is
written into files, and documents for scripts, always says `mlpcli`.
"""

from __future__ import annotations

import os
import re
import shlex
import sys

VARIABLE = "MLPCLI_PROGRAM"
NAME = "mlpcli"
COMMANDS = (
    *("check", "clean", "code", "compare", "doctor", "evaluate", "explain", "export", "init", "inspect"),
    *("label-check", "log", "lr-find", "more-data", "note", "pack", "predict", "remove", "report"),
    *("reproduce", "runs", "schema", "serve", "tensorboard", "train", "tune", "unpack"),
)
_COMMAND = re.compile(rf"(?<![\w./-]){NAME}(?= (?:--[a-z]|\[OPTIONS\]|(?:{'|'.join(COMMANDS)})(?![\w-])))")


def as_called(text: str) -> str:
    """Return a text for the user whose commands begin as the program was called.

    What is to be installed is for the Python that runs: `scripts/run` has one of its own.
    """
    called = os.environ.get(VARIABLE)
    if not called or called == NAME:
        return text
    python = shlex.quote(sys.executable)
    text = text.replace(f'run: pip install "{NAME}[', f'run: {python} -m pip install "{NAME}[')
    return _COMMAND.sub(lambda _: shlex.quote(called), text)
