"""deploy/Containerfile, as far as it can be tried where there is no container engine."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path

import pytest

from duly.cli.arguments import build_parser

ROOT = Path(__file__).parents[2]
INSTRUCTIONS = {
    *("ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN"),
    *("STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
}


def _instructions() -> list[tuple[str, str]]:
    text = (ROOT / "deploy/Containerfile").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    joined = re.sub(r"\s*\\\n\s*", " ", "\n".join(lines))
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in joined.splitlines()]


@pytest.fixture
def stages() -> list[dict[str, list[str]]]:
    """Of each stage, what each instruction says."""
    found: list[dict[str, list[str]]] = []
    for name, arguments in _instructions():
        if name == "FROM":
            found.append({})
        found[-1].setdefault(name, []).append(arguments)
    return found


def test_every_instruction_is_one_of_the_format() -> None:
    assert {name for name, _ in _instructions()} <= INSTRUCTIONS


def test_images_have_versions_and_the_last_stage_has_no_build_tools(
    stages: list[dict[str, list[str]]],
) -> None:
    images = [stage["FROM"][0].split()[0] for stage in stages]

    assert len(stages) == 2
    assert all(re.search(r":\d+\.\d+-slim-\w+$", image) for image in images)
    assert not any("pip" in command for command in stages[-1]["RUN"])
    assert all(copy.startswith("--from=build ") for copy in stages[-1]["COPY"])


def test_it_does_not_run_as_root_and_writes_to_one_folder(
    stages: list[dict[str, list[str]]],
) -> None:
    last = stages[-1]

    assert last["USER"] == ["10001:10001"]
    assert last["VOLUME"] == last["WORKDIR"] == ["/var/lib/duly"]


def test_what_is_copied_exists_and_is_let_through(stages: list[dict[str, list[str]]]) -> None:
    ignore = (ROOT / ".containerignore").read_text()

    assert (ROOT / ".dockerignore").read_text() == ignore
    for copy in stages[0]["COPY"]:
        for source in copy.split()[:-1]:
            assert (ROOT / source).exists()
            assert f"!{source}\n" in ignore


def test_the_extras_that_are_installed_exist(stages: list[dict[str, list[str]]]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (command,) = stages[0]["RUN"]
    extras = re.search(r'"\.\[([a-z,]+)\]"', command)

    assert extras
    assert set(extras[1].split(",")) <= set(project["optional-dependencies"])
    assert {"server", "postgres", "celery"} <= set(extras[1].split(","))


def test_duly_takes_the_command_and_its_health_is_asked_at_its_port(
    stages: list[dict[str, list[str]]],
) -> None:
    last = stages[-1]
    options = build_parser("duly").parse_args(json.loads(last["CMD"][0]))
    _, _, check = last["HEALTHCHECK"][0].partition("CMD ")

    assert json.loads(last["ENTRYPOINT"][0]) == ["duly"]
    assert (options.verb, options.host) == ("serve", "0.0.0.0")
    assert [str(options.port)] == last["EXPOSE"]
    assert f"http://127.0.0.1:{options.port}/health" in json.loads(check)[2]
    compile(json.loads(check)[2], "HEALTHCHECK", "exec")


def test_shell_commands_can_be_parsed(stages: list[dict[str, list[str]]]) -> None:
    for stage in stages:
        for command in stage["RUN"]:
            assert shlex.split(command)
