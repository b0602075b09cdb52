"""The tool that builds the web apps: whose Node, when to build, and what is said when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from tools import web
from tools.web import Node, WebError


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Sources in miniature."""
    folder = tmp_path / "web"
    (folder / "lib").mkdir(parents=True)
    (folder / "node_modules" / "vite").mkdir(parents=True)
    (folder / "lib" / "a.ts").write_text("export const a = 1;")
    (folder / "package-lock.json").write_text('{"packages": {}}')
    monkeypatch.setattr(web, "WEB", folder)
    monkeypatch.setattr(web, "BUILT", folder / "dist")
    monkeypatch.setattr(web, "PROBLEM", folder / "dist-problem.txt")
    return folder


def test_a_build_is_made_anew_when_a_source_changes(checkout: Path) -> None:
    """Tests, packages and the build itself are none of its sources."""
    before = web.digest()
    for other in ("lib/a.test.ts", "node_modules/vite/x.js", "dist-problem.txt"):
        (checkout / other).write_text("x")
    assert web.digest() == before
    (checkout / "lib" / "a.ts").write_text("export const a = 2;")
    assert web.digest() != before


def test_what_is_built_already_needs_no_node(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none() -> Node:
        raise AssertionError("nobody asked for Node")

    monkeypatch.setattr(web, "find_node", none)
    (checkout / "dist").mkdir()
    (checkout / "dist" / "sources.txt").write_text(web.digest())
    web.build()


def test_a_failure_keeps_nobody_from_starting(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """make up goes on; make web does not. The front page finds the reason."""

    def failing() -> Node:
        raise WebError("The package registry did not answer.")

    monkeypatch.setattr(web, "find_node", failing)
    assert web.main(["up"]) == 0
    assert "did not answer" in (checkout / "dist-problem.txt").read_text()
    assert "make web" in capsys.readouterr().out
    assert web.main(["build"]) == 1
    assert "did not answer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("version", "is_good"),
    [("18.20.4", False), ("20.18.1", False), ("20.19.0", True), ("24.1.0", True)],
)
def test_an_old_node_is_left_alone(version: str, is_good: bool) -> None:
    assert web.is_new_enough(version) is is_good


@pytest.mark.parametrize(
    ("npm_said", "told"),
    [
        ("npm error code ENOTFOUND", "did not answer"),
        ("npm error code EINTEGRITY", "not the one that was locked"),
        ("npm error ENOSPC: no space left on device", "disk is full"),
        ("npm error code E404", "does not have it"),
        ("SELF_SIGNED_CERT_IN_CHAIN", "not trusted"),
    ],
)
def test_failures_are_told_in_plain_words(npm_said: str, told: str) -> None:
    assert told in web.diagnose(npm_said)
    assert npm_said in web.diagnose(npm_said)


def test_the_client_knows_what_the_apps_call_and_nothing_else() -> None:
    """Good answers only: errors have one shape. Long texts are in the document itself."""
    answers = {
        "200": {"description": "OK", "headers": {"X": {}}},
        "400": {"description": "Bad"},
    }
    given = [{"$ref": "#/components/parameters/Tenant"}, {"name": "limit", "in": "query"}]
    operation = {"description": "Long", "parameters": given, "responses": answers}
    document = {"paths": {"/api/v1/x": {"get": operation}, "/gbfs/x": {"get": operation}}}
    narrowed = web.narrowed(document)  # type: ignore[arg-type]
    assert narrowed["paths"] == {
        "/api/v1/x": {
            "get": {
                "parameters": [{"name": "limit", "in": "query"}],
                "responses": {"200": {"description": "OK"}},
            }
        }
    }
