"""A RabbitMQ cluster of three nodes on the loopback address; each node can be killed and started again."""

from __future__ import annotations

import secrets
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from infra.local import ports, process
from infra.local.process import ProcessMark
from infra.local.rabbitmq_server import LOGIN_FILE, USER, RabbitmqServer
from infra.local.server import Launch
from tests.faults.servers import ServersError, end, rabbitmqctl

_NODES = 3
_READY_WITHIN_S = 120.0
_OWN_PORTS = ("clients", "distribution", "management")


@dataclass(slots=True)
class Node:
    folder: Path
    ports: dict[str, int]
    mark: ProcessMark | None = None


@dataclass(slots=True)
class Cluster:
    """Nodes that find each other by configuration. They share one port mapper and one cookie."""

    folder: Path
    nodes: list[Node] = field(default_factory=list)
    password: str = ""
    _epmd: ProcessMark | None = None

    @property
    def running(self) -> bool:
        return bool(self.nodes)

    @property
    def ports(self) -> list[int]:
        return [node.ports["clients"] for node in self.nodes]

    def url(self, port: int) -> str:
        """The cluster's address by way of this port."""
        return f"amqp://{USER}:{self.password}@127.0.0.1:{port}"

    def start(self) -> None:
        names = [f"{purpose}-{n}" for n in range(_NODES) for purpose in _OWN_PORTS]
        chosen = ports.choose([*names, "epmd"], {})
        cookie, self.password = secrets.token_hex(16), secrets.token_hex(16)
        run = secrets.token_hex(3)
        members = [f"nemesis-{run}-{n}@localhost" for n in range(_NODES)]
        for n, member in enumerate(members):
            folder = self.folder / f"node-{n}"
            self._prepare(folder, member, cookie, members)
            own = {purpose: chosen[f"{purpose}-{n}"] for purpose in _OWN_PORTS}
            self.nodes.append(Node(folder, {**own, "epmd": chosen["epmd"]}))
        for node in self.nodes:
            self.start_node(node)
        for node in self.nodes:
            self._wait(node)
        self.await_members(_NODES)

    def start_node(self, node: Node) -> None:
        """Start a node without waiting for it."""
        epmd, server = self._launches(node)
        if self._epmd is None or not process.is_running(self._epmd):
            self._epmd = process.start(epmd.argv, env=epmd.env, folder=node.folder, log=node.folder / "epmd.log")
            time.sleep(0.5)
        node.mark = process.start(server.argv, env=server.env, folder=node.folder, log=node.folder / "server.log")

    def restart_node(self, node: Node) -> None:
        """Start a killed node, and wait until it accepts clients again."""
        self.start_node(node)
        self._wait(node)

    def kill(self, node: Node) -> None:
        assert node.mark is not None, "only a running node can be killed"
        mark = node.mark
        end(mark.pid, signal.SIGKILL, lambda: process.is_running(mark))

    def await_members(self, count: int) -> None:
        """Return when the cluster has that many nodes."""
        expression = "length(rabbit_mnesia:cluster_nodes(running))."
        running = ""
        deadline = time.monotonic() + _READY_WITHIN_S
        while (running := rabbitmqctl(self.nodes[0].folder, self.nodes[0].ports, "eval", expression)) != str(count):
            if time.monotonic() > deadline:
                raise ServersError(f"the cluster has {running} nodes, not {count}; logs are in {self.folder}")
            time.sleep(1)

    def remove(self) -> None:
        for node in self.nodes:
            if node.mark is not None:
                process.stop(node.mark, within_s=20.0)
        if self._epmd is not None:
            process.stop(self._epmd, within_s=5.0)
        self.nodes.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepare(self, folder: Path, member: str, cookie: str, members: list[str]) -> None:
        """Write name, cookie and login first: the server's own set-up keeps them. A cluster has one login."""
        (folder / "home").mkdir(parents=True)
        (folder / "node_name").write_text(member)
        secret = folder / "home" / ".erlang.cookie"
        secret.write_text(cookie)
        secret.chmod(0o400)
        (folder / LOGIN_FILE).write_text(self.password)
        lines = ["cluster_formation.peer_discovery_backend = classic_config"]
        lines += [f"cluster_formation.classic_config.nodes.{n} = {name}" for n, name in enumerate(members, start=1)]
        (folder / "conf.d").mkdir()
        (folder / "conf.d" / "10-cluster.conf").write_text("\n".join(lines) + "\n")

    def _launches(self, node: Node) -> tuple[Launch, Launch]:
        executable = RabbitmqServer().executable()
        assert executable is not None, "the single server could not have been started without its program"
        epmd, server = RabbitmqServer().launches(executable, node.folder, node.ports)
        return epmd, server

    def _wait(self, node: Node) -> None:
        self._until(lambda: RabbitmqServer().answer(node.folder, node.ports) is not None, f"{node.folder.name} answers")

    def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _READY_WITHIN_S
        while not holds():
            if time.monotonic() > deadline:
                raise ServersError(f"not reached in {_READY_WITHIN_S:.0f} s: {what}; logs are in {self.folder}")
            time.sleep(0.1)
