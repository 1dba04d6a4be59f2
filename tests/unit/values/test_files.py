"""The files of helm-values/, as far as they can be judged without a chart."""

import re
from pathlib import Path

import pytest

from jhaws.cli import main
from jhaws.values.checking import check
from jhaws.values.masking import is_secret
from jhaws.values.merging import merge
from jhaws.values.reading import read_source

ROOT = Path(__file__).parents[3]
FILES = sorted((ROOT / "helm-values").glob("*.yaml"))
# Warnings that each file may have: its passwords are examples, and only the hub's image has every authenticator.
EXPECTED = r"This is the example's text|authenticator_class is github, which is not installed here"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_passes_its_own_check(file: Path) -> None:
    """The hub's start-up, our schema and the table of old keys have nothing to say, so no option is made up."""
    source = read_source(str(file))
    problems = source.problems + check(merge([source]))

    assert [each for each in problems if not re.search(EXPECTED, each.sentence)] == []
    assert not any(each.serious for each in problems)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_can_be_used_alone(file: Path) -> None:
    """It names the hub's image, and somebody who may enter."""
    source = read_source(str(file))
    config = source.values["hub"]["config"]

    assert source.values["hub"]["image"]["name"].endswith("jhaws-hub")
    assert config.get("JhawsAuthenticator", config.get("Authenticator"))["admin_users"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_files_secrets_are_placeholders(file: Path) -> None:
    """Nobody copies a password that works."""
    source = read_source(str(file))
    merged = merge([source])
    secrets = [each for path, each in merged.settings.items() if is_secret(path) and isinstance(each.value, str)]

    assert secrets
    assert [
        each.path for each in secrets if not each.value.startswith(("replace-me", "postgresql+psycopg2://jupyter"))
    ] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_begins_with_what_it_is_for(file: Path) -> None:
    """Its first line is a comment of one sentence or more, and the docs name the file."""
    assert re.match(r"# [A-Z].+", file.read_text())
    assert f"helm-values/{file.name}" in (ROOT / "docs" / "values.md").read_text()


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    main(["values", *arguments])
    return capsys.readouterr().out.strip()


def test_what_the_docs_show_is_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each example of docs/values.md, run on its files."""
    monkeypatch.chdir(tmp_path)
    old = (Path(__file__).parent / "data" / "z2jh-0.8.yaml").read_text()
    mended = old.replace("   https:", "  https:").replace("   service:", "  service:")
    (tmp_path / "class.yaml").write_text((ROOT / "helm-values" / "class.yaml").read_text())
    login = "    JhawsAuthenticator:\n      admin_users: [teacher, tutor]\n      user_password: opens-what\n"
    (tmp_path / "own.yaml").write_text(f"hub:\n  config:\n{login}")
    shown = re.findall(r"```\n\$ jhaws values (.*)\n([^`]*)\n```", (ROOT / "docs" / "values.md").read_text())

    for (command, output), config in zip(shown, (old, mended, old), strict=True):
        (tmp_path / "config.yaml").write_text(config)
        assert run(capsys, *command.split()) == output
