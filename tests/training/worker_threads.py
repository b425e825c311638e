"""Workers that train together, each in a thread of this process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from mlpcli.training.replicas.cluster import Cluster
from mlpcli.training.replicas.join import join
from mlpcli.training.replicas.peers import Peers
from mlpcli.training.replicas.wire import Left


def together(count: int, work: Callable[[Peers], object], key: str = "secret") -> list[object]:
    """Run a function in a thread for each worker; return what each returns, or raises."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = tuple(("127.0.0.1", each.getsockname()[1]) for each in sockets)
    found: list[object] = [None] * count

    def run(index: int) -> None:
        peers = join(Cluster(index, addresses, key), sockets[index], lambda text: None)
        try:
            found[index] = work(peers)
        except Left as left:
            found[index] = left
            peers.leave("somebody else has left")
        else:
            peers.leave(done=True)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
    return found
