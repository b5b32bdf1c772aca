"""`tributary setup --browser` on a simulated machine without Chromium; nothing is downloaded.

The command is the real one. On its PATH there is no browser, and Debian's installer is a script that records its
calls. So this proves how the installer is called, with which rights and in which order, and what is printed; not that
Debian has the package.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from infra.local.install import SERVICE_POLICY
from tests.connected.running import Ended, command

NEEDED = ("env", "sh", "epmd", "rabbitmq-server", "redis-server", "valkey-server")
RECORDS = '#!/bin/sh\necho "{name} $*" >> {calls}\n'
INSTALLS = RECORDS + 'case "$*" in *" install "*) /bin/cp {folder}/sh {folder}/chromium;; esac\n'
FAILS = RECORDS + "echo 'E: Unable to locate package chromium'\nexit 100\n"
SUDO = '#!/bin/sh\nshift\nexec "$@"\n'


@dataclass(frozen=True)
class Machine:
    folder: Path
    calls: Path

    def has(self, name: str, script: str) -> None:
        path = self.folder / name
        path.write_text(script.format(name=name, calls=self.calls, folder=self.folder), "utf-8")
        path.chmod(0o755)

    @property
    def called(self) -> list[str]:
        return self.calls.read_text("utf-8").splitlines() if self.calls.exists() else []

    async def setup(self, *options: str) -> Ended:
        environment: Mapping[str, str] = {**os.environ, "PATH": str(self.folder), "TMPDIR": str(self.folder)}
        return await command("setup", *options, environment=environment)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has the servers, and whose user may install."""
    machine = Machine(tmp_path / "bin", tmp_path / "calls")
    machine.folder.mkdir()
    for name in NEEDED:
        if (found := shutil.which(name)) is not None:
            (machine.folder / name).symlink_to(found)
    for name in ("install", "rm"):
        machine.has(name, RECORDS)
    machine.has("sudo", SUDO)
    machine.has("apt-get", INSTALLS)
    return machine


async def test_a_missing_browser_is_installed_on_request(machine: Machine) -> None:
    without = await machine.setup()
    assert (without.code, machine.called) == (0, [])

    ended = await machine.setup("--browser")
    assert (ended.code, ended.out) == (0, ""), ended.err
    assert ended.err.splitlines() == ["Installing chromium …", "Installed chromium."]
    apt_get = [call for call in machine.called if call.startswith("apt-get ")]
    assert apt_get == [
        "apt-get -qq -o DPkg::Lock::Timeout=300 update",
        "apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends chromium",
    ]
    if not SERVICE_POLICY.exists():
        # No service may start because of it: the policy is written before and removed after.
        assert [call.split()[0] for call in machine.called] == ["install", "apt-get", "apt-get", "rm"]
        assert machine.called[-1] == f"rm -f {SERVICE_POLICY}"

    again = await machine.setup("--browser")
    assert (again.code, again.err) == (0, "Everything that the local stack needs is here.\n")
    assert [call for call in machine.called if call.startswith("apt-get ")] == apt_get


async def test_an_installation_that_fails_is_one_sentence_with_the_log(machine: Machine) -> None:
    machine.has("apt-get", FAILS)
    ended = await machine.setup("--browser")
    lines = ended.err.splitlines()
    assert (ended.code, ended.out, lines[0], len(lines)) == (3, "", "Installing chromium …", 2)
    assert lines[1].startswith("The installation of chromium failed; read ")
    assert "Unable to locate package chromium" in text_of(lines[1].split("read ")[1].split(" ")[0])


async def test_an_installation_without_a_program_is_one_sentence(machine: Machine) -> None:
    machine.has("apt-get", RECORDS)
    ended = await machine.setup("--browser")
    assert (ended.code, ended.out) == (3, "")
    assert "The packages chromium were installed but their programs cannot be found" in ended.err.splitlines()[-1]


async def test_without_an_installer_it_names_what_to_install(machine: Machine) -> None:
    (machine.folder / "apt-get").unlink()
    ended = await machine.setup("--browser")
    assert (ended.code, ended.out, len(ended.err.splitlines())) == (3, "", 1)
    assert "install chromium (on Debian: `apt-get install --no-install-recommends chromium` as root)" in ended.err


def text_of(path: str) -> str:
    return Path(path).read_text("utf-8")
