"""A shell into which the blocks of a document are pasted, as a person does: what they print, and what fails.

There is no terminal and no `set -e`: a failing command prints a line, and the next ones run all the same.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from infra.local.ports import is_free
from tests.connected.running import free_ports

ROOT = Path(__file__).parents[2]
TUTORIAL = ("README.md", "docs/tutorial.md")
"""The documents whose blocks form one session, in their order."""
BLOCK_MAX_S = 300.0
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def blocks_of(*documents: str) -> list[str]:
    """The blocks of commands, in their order."""
    return [block for document in documents for block in _BLOCK.findall((ROOT / document).read_text("utf-8"))]


def without_comments(block: str) -> list[str]:
    """Its commands without comments, which each language has in its own words."""
    lines = (re.sub(r"(^|\s+)# .*", "", line) for line in block.splitlines())
    return [line.rstrip() for line in lines if line.strip()]


@dataclass(frozen=True)
class Pasted:
    """What a block printed, on either stream, and the commands that failed in it."""

    out: str
    failed: list[str]
    code: int


@dataclass
class Shell:
    """One bash that reads its standard input; a command may consume what was pasted after it, as in a terminal."""

    process: asyncio.subprocess.Process

    async def paste(self, block: str) -> Pasted:
        """Run a block to its end. Background jobs go on; their output mixes with that of later blocks."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        end = f"end-{secrets.token_hex(8)}"
        self.process.stdin.write(f"{block}\nprintf '%s %d\\n' {end} $?\n".encode())
        lines: list[str] = []
        try:
            async with asyncio.timeout(BLOCK_MAX_S):
                await self.process.stdin.drain()
                while not (line := (await self.process.stdout.readline()).decode()).startswith(end):
                    assert line, f"the shell has ended; it printed {''.join(lines)}"
                    lines.append(line)
        except TimeoutError:
            printed = "".join(lines)
            raise AssertionError(f"{block}\nhas not ended after {BLOCK_MAX_S} s; it printed\n{printed}") from None
        failed = [line.removeprefix(_FAILED).rstrip() for line in lines if line.startswith(_FAILED)]
        return Pasted("".join(lines), failed, int(line.split()[1]))


_FAILED = "failed: "


@asynccontextmanager
async def shell(environment: Mapping[str, str]) -> AsyncIterator[Shell]:
    """A shell in the project's folder. Its background jobs end with it."""
    process = await asyncio.create_subprocess_exec(
        *("bash", "--noprofile", "--norc"),
        env=dict(environment),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        limit=2**22,
    )
    opened = Shell(process)
    try:
        await opened.paste(f"trap 'echo \"{_FAILED}$BASH_COMMAND\"' ERR")
        yield opened
    finally:
        with suppress(AssertionError, ConnectionError):
            await opened.paste("trap - ERR; kill $(jobs -p) 2>/dev/null; wait")
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


API_PORT = 8080
_THE_END = "kill $(jobs -p)"
_MAKE = """#!/bin/bash
# Targets that other tests run, or that take an hour, are only checked to exist.
make() {{ {make} -o .venv/installed "$@"; }}
case "$*" in
  setup) make setup ;;
  demo | "demo KEEP=1") {demo} ;;
  *) make --dry-run "$@" >/dev/null ;;
esac
"""


def new_user_environment(home: Path, bin_folder: Path, *, demo: str) -> dict[str, str]:
    """The environment of a user who has no servers yet; `demo` is what `make demo` and `make demo KEEP=1` run."""
    # The tests may be run by make, which passes on its own options.
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("TRIBUTARY_", "MAKE", "MFLAGS"))
    }
    bin_folder.mkdir()
    stand_in = bin_folder / "make"
    stand_in.write_text(_MAKE.format(make=shutil.which("make"), demo=demo))
    stand_in.chmod(0o755)
    own = {"TRIBUTARY_HOME": str(home), "TRIBUTARY_HEALTH_PORT": str(free_ports(10))}
    return {**inherited, **own, "PATH": f"{bin_folder}:{inherited['PATH']}"}


async def paste_all(bash: Shell, *documents: str, twice: tuple[str, ...] = (), also: tuple[str, ...] = ()) -> list[str]:
    """Paste every block, and the exports that a demo prints; return what each block printed.

    Blocks that contain one of `twice` are pasted twice; the documents of `also` are pasted before the servers end.
    """
    port = API_PORT if is_free(API_PORT) else free_ports(1)
    printed = []
    for block in blocks_of(*documents):
        if _THE_END in block:
            for other in also:
                printed += await paste_all(bash, other)
        own = block.replace("tributary api &", f"tributary api --port {port} &").replace(
            f"API=http://127.0.0.1:{API_PORT}", f"API=http://127.0.0.1:{port}"
        )
        for _ in range(2 if any(word in block for word in twice) else 1):
            pasted = await bash.paste(own)
            assert (pasted.failed, pasted.code) == ([], 0), f"{own}\n{pasted.out}"
            printed.append(pasted.out)
            if exports := [line for line in pasted.out.splitlines() if line.startswith("export ")]:
                await bash.paste("\n".join(exports))
    return printed
