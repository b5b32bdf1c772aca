"""RabbitMQ as a separate node with its own name, cookie, port mapper and folders, so that it never joins another node.

On Debian `rabbitmq-server` on the PATH is a wrapper that changes to the user `rabbitmq`, who has no access to many
folders; the script behind it runs as the caller. Erlang's port mapper (epmd) is started here and not by Erlang, which
would leave an unrecorded one running.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from infra.local.ports import LOOPBACK
from infra.local.server import Health, Launch

MESSAGE_BYTES_MAX = 9 * 1024 * 1024
"""What the broker takes, as infra/deploy/rabbitmq/rabbitmq.conf sets it too: our largest event (8 MiB) and room for its
envelope. By default it takes 128 MB, and holds them in memory, as does every worker that receives them."""
MEMORY_MAX = "2GB"
DISK_FREE_MIN = "500MB"
DEAD_LETTER_CONFIRM_WITHIN_MS = 10_000
"""How long RabbitMQ holds a message whose retry was on its way to a node that died; no count of messages includes it.
The default is three minutes. An earlier repeat is harmless, because consumers recognise what they have handled."""
SOCKET_BYTES = 64 * 1024
"""What the broker takes from a connection in one read, as infra/deploy/rabbitmq/rabbitmq.conf sets it too. The kernel
may give 4 MB; if a connection ends with such a read unhandled, RabbitMQ takes a gigabyte to report that."""
ANSWER_WITHIN_S = 2.0
USER = "tributary"
LOGIN_FILE = "rabbitmq.login"
_SCRIPT = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = 1
# Connection.Start contains the server's properties; a long string there is `S`, four bytes of length, and the text.
_VERSION = re.compile(rb"\x07versionS\x00\x00\x00.([0-9][0-9.]*)", re.DOTALL)


class RabbitmqServer:
    """One broker node with its management API, which makes the logins of shops."""

    name: ClassVar[str] = "rabbitmq"
    title: ClassVar[str] = "RabbitMQ"
    purposes: ClassVar[Sequence[str]] = ("clients", "distribution", "epmd", "management")

    def executable(self) -> Path | None:
        """Debian's script behind the wrapper, otherwise `rabbitmq-server` on the PATH; None without Erlang's epmd."""
        found = str(_SCRIPT) if _SCRIPT.is_file() else shutil.which("rabbitmq-server")
        return Path(found) if found and shutil.which("epmd") else None

    def launches(self, executable: Path, folder: Path, ports: Mapping[str, int]) -> Sequence[Launch]:
        """The port mapper first: the node registers with it."""
        _write_configuration(folder, ports)
        env = _environment(folder, ports)
        epmd = [shutil.which("epmd") or "epmd", "-address", LOOPBACK, "-port", str(ports["epmd"])]
        return [
            Launch("epmd", epmd, ports["epmd"], env),
            Launch("server", [str(executable)], ports["clients"], env),
        ]

    def answer(self, folder: Path, ports: Mapping[str, int]) -> str | None:
        """The version from the greeting: the node opens its AMQP listener last of all, when everything else is up.

        Declares the queue that `ping` writes to.
        """
        try:
            with socket.create_connection((LOOPBACK, ports["clients"]), timeout=ANSWER_WITHIN_S) as connection:
                connection.sendall(_PROTOCOL_HEADER)
                greeting = connection.recv(4096)
        except OSError:
            return None
        version = _VERSION.search(greeting)
        if not version or greeting[0] != _METHOD_FRAME:
            return None
        from infra.local import rabbitmq_probe

        rabbitmq_probe.create_queue(self.urls(folder, ports)["rabbitmq_url"])
        return version[1].decode()

    def ping(self, folder: Path, ports: Mapping[str, int]) -> Health:
        """It must confirm a message, and each queue have a leader: otherwise it still accepts connections."""
        from infra.local import rabbitmq_probe

        urls = self.urls(folder, ports)
        return rabbitmq_probe.ping(urls["rabbitmq_url"], urls["rabbitmq_management_url"])

    def urls(self, folder: Path, ports: Mapping[str, int]) -> Mapping[str, str]:
        """With RabbitMQ's default user, who may connect from this machine only."""
        login = ":".join(_login(folder))
        return {
            "rabbitmq_url": f"amqp://{login}@{LOOPBACK}:{ports['clients']}",
            "rabbitmq_management_url": f"http://{login}@{LOOPBACK}:{ports['management']}",
        }


def _write_configuration(folder: Path, ports: Mapping[str, int]) -> None:
    for room in ("home", "conf.d", "log", "data"):
        (folder / room).mkdir(exist_ok=True)
    if not any((folder / "data").iterdir()):
        _write_once(folder / LOGIN_FILE, secrets.token_urlsafe(24), mode=0o400)
    lines = [
        f"listeners.tcp.1 = {LOOPBACK}:{ports['clients']}",
        *(f"tcp_listen_options.{buffer} = {SOCKET_BYTES}" for buffer in ("sndbuf", "recbuf")),
        f"management.tcp.ip = {LOOPBACK}",
        f"management.tcp.port = {ports['management']}",
        # Figures are read over AMQP and from the workers; gathering them here would take time from every message.
        "management_agent.disable_metrics_collector = true",
        # The first start makes this login.
        *(f"default_{what} = {value}" for what, value in zip(("user", "pass"), _login(folder), strict=True)),
        f"max_message_size = {MESSAGE_BYTES_MAX}",
        f"vm_memory_high_watermark.absolute = {MEMORY_MAX}",
        f"disk_free_limit.absolute = {DISK_FREE_MIN}",
        "log.console = false",
        "log.file.level = warning",
    ]
    (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
    (folder / "advanced.config").write_text(
        f"[{{rabbit, [{{dead_letter_worker_publisher_confirm_timeout, {DEAD_LETTER_CONFIRM_WITHIN_MS}}}]}}].\n"
    )
    (folder / "enabled_plugins").write_text("[rabbitmq_management].\n")
    (folder / "rabbitmq-env.conf").write_text("")
    _write_once(folder / "home" / ".erlang.cookie", secrets.token_hex(16), mode=0o400)
    # The node's data belongs to its name, so the name is stored beside the data and moves with it.
    _write_once(folder / "node_name", f"tributary-{secrets.token_hex(4)}@localhost", mode=0o644)


def _login(folder: Path) -> tuple[str, str]:
    """A node that an older release made has its first login still."""
    password = folder / LOGIN_FILE
    return (USER, password.read_text()) if password.exists() else ("guest", "guest")


def _environment(folder: Path, ports: Mapping[str, int]) -> dict[str, str]:
    """Settings of the system's own broker, in the caller's environment or in /etc, must not affect this node."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))}
    cores = len(os.sched_getaffinity(0))
    node_only_on_loopback = "-kernel inet_dist_use_interface {127,0,0,1}"
    return inherited | {
        "HOME": str(folder / "home"),
        # Otherwise Erlang would misread folder names with other than ASCII characters under the locale C.
        "LC_ALL": "C.UTF-8",
        # The start script then replaces itself with the node, so that the recorded pid is the node's.
        "detached": "true",
        "ERL_CRASH_DUMP": str(folder / "log" / "erl_crash.dump"),
        "ERL_EPMD_ADDRESS": LOOPBACK,
        "ERL_EPMD_PORT": str(ports["epmd"]),
        "RABBITMQ_NODENAME": (folder / "node_name").read_text(),
        "RABBITMQ_DIST_PORT": str(ports["distribution"]),
        "RABBITMQ_MNESIA_BASE": str(folder / "data"),
        "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "data" / "generated"),
        "RABBITMQ_LOG_BASE": str(folder / "log"),
        "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
        "RABBITMQ_CONF_ENV_FILE": str(folder / "rabbitmq-env.conf"),
        "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
        "RABBITMQ_CONFIG_FILES": str(folder / "conf.d"),
        "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
        # Schedulers bound to cores would make two nodes on one machine compete for the same ones.
        "RABBITMQ_SCHEDULER_BIND_TYPE": "u",
        # Schedulers that wait busily take processor time from the workers beside them.
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": " ".join(
            (f"+fnl +S {cores}:{cores} +sbwt none +sbwtdcpu none +sbwtdio none", node_only_on_loopback)
        ),
    }


def _write_once(path: Path, text: str, *, mode: int) -> None:
    if not path.exists():
        draft = path.with_name(f"{path.name}.new")
        draft.unlink(missing_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(text)
        draft.chmod(mode)
        draft.replace(path)
