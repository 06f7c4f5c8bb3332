"""The files around the code say the same as the code: versions, checks, the templates of issues."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml

from tests.docs.blocks import ROOT
from tests.docs.command_lines import check_command, is_command

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.stem != "config")
FIELDS = {"input", "textarea", "dropdown", "checkboxes"}


def _yaml(name: str):
    return yaml.safe_load((ROOT / name).read_text("utf-8"))


def test_the_citation_is_of_this_version_and_names_the_paper_and_its_five_authors():
    citation = _yaml("CITATION.cff")
    paper = citation["preferred-citation"]
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
    assert [author["family-names"] for author in paper["authors"]] == ["Yosinski", "Clune", "Nguyen", "Fuchs", "Lipson"]
    assert paper["url"].endswith("1506.06579")


def test_the_changelog_has_what_is_unreleased_then_this_version():
    headings = re.findall(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert headings[:2] == ["Unreleased", PROJECT["version"]]


def test_pre_commit_runs_the_programs_that_make_lint_types_and_imports_run():
    hooks = [hook for repository in _yaml(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("$(BIN)", ".venv/bin")
    for hook in hooks:
        program = hook["entry"].removesuffix(" --force-exclude")
        assert hook["language"] == "system"
        assert f"\t{program}" in makefile
    assert {hook["entry"].split()[0] for hook in hooks} >= {
        ".venv/bin/ruff",
        ".venv/bin/mypy",
        ".venv/bin/lint-imports",
    }


def test_make_lint_checks_the_format_and_the_rules():
    recipe = re.search(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert recipe
    assert recipe[1].split("\n")[:2] == ["\t$(BIN)/ruff format --check .", "\t$(BIN)/ruff check ."]


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_an_issue_form_is_one_that_github_takes(form):
    content = yaml.safe_load(form.read_text("utf-8"))
    assert {"name", "description", "body"} <= content.keys()
    fields = [field for field in content["body"] if field["type"] != "markdown"]
    assert {field["type"] for field in fields} <= FIELDS
    assert all(field["attributes"]["label"] for field in fields)
    assert len({field["id"] for field in fields}) == len(fields)


@pytest.mark.parametrize("form", FORMS, ids=lambda path: path.stem)
def test_commands_that_an_issue_form_suggests_are_taken(form):
    fields = yaml.safe_load(form.read_text("utf-8"))["body"]
    placeholders = [field["attributes"].get("placeholder", "") for field in fields]
    for line in filter(is_command, placeholders):
        check_command(line)
