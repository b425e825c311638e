"""Connections that end where the head of a request does not come: uvicorn itself would wait for ever.

A thousand clients that each send half a head would otherwise keep everyone else out.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def connections(seconds: float) -> type[H11Protocol]:
    """Return the class of connections.

    Args:
        seconds: within which the head of a request must come, from its first byte, or from the connection on.
    """

    class Connection(H11Protocol):
        """A connection, read by h11: it bounds the size of heads, which uvicorn's other reader does not."""

        head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            """Begin to wait for the first request."""
            super().connection_made(transport)
            self._wait_for_head()

        def data_received(self, data: bytes) -> None:
            """Read on; a head that is not complete has its time from its first byte on."""
            super().data_received(data)
            if self.conn.their_state is not h11.IDLE:
                self._stop_waiting()
            elif self.head_timer is None:
                self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            """End."""
            self._stop_waiting()
            super().connection_lost(exc)

        def _wait_for_head(self) -> None:
            self.head_timer = self.loop.call_later(seconds, self.transport.close)

        def _stop_waiting(self) -> None:
            if self.head_timer is not None:
                self.head_timer.cancel()
                self.head_timer = None

    return Connection
