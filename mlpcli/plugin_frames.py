"""Where in a plug-in an error arose: its file, line and function, and the error below Keras's wrapping."""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MODULE = "mlpcli_plugin_"
"""What the names of the modules begin with that plug-ins become."""

WRAPPED = re.compile(r"Exception encountered when calling|Could not automatically infer the output shape")
"""How errors begin in which Keras repeats another one."""

MOST_CAUSES = 20


@dataclass(frozen=True)
class PluginFailure:
    """An error that arose in a plug-in.

    Attributes:
        error: the error, not those in which Keras repeats it.
        file: the name of the plug-in's file.
        line: of the last call in it.
        function: whose line that is.
        source: the line itself.
    """

    error: BaseException
    file: str
    line: int
    function: str
    source: str

    @property
    def where(self) -> str:
        """Its place and line, in a few words."""
        return f"{self.file}:{self.line}, in {self.function}: {self.source}"


def plugin_failure(error: BaseException) -> PluginFailure | None:
    """Return where in a plug-in an error arose; None where no plug-in was running.

    Args:
        error: as it was caught.
    """
    chain = list(_chain(error))
    own = next((each for each in chain if not WRAPPED.search(str(each))), chain[-1])
    for each in (own, *chain):
        steps = [
            (frame, line)
            for frame, line in traceback.walk_tb(each.__traceback__)
            if str(frame.f_globals.get("__name__", "")).startswith(MODULE)
            and frame.f_code.co_filename == frame.f_globals.get("__file__")
        ]
        if steps:
            frame, line = steps[-1]
            path = frame.f_code.co_filename
            source = linecache.getline(path, line).strip()
            return PluginFailure(own, Path(path).name, line, frame.f_code.co_name, source)
    return None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those from which it came, down to the first."""
    found: BaseException | None = error
    for _ in range(MOST_CAUSES):
        if found is None:
            return
        yield found
        found = found.__cause__ or found.__context__
