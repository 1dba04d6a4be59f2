"""The docs say what the code does."""

import importlib.util
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from traitlets import Float, Integer

ROOT = Path(__file__).parents[2]
UNITS = r"day|second|count|core|GiB|byte|character|hour"


def load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs" / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


GENERATOR = load_generator()
OPTIONS = [(cls, name, trait) for cls in GENERATOR.CLASSES for name, trait in GENERATOR.own_options(cls).items()]


def test_every_option_is_in_the_reference() -> None:
    """The page is what the help texts make; after a change run `python docs/make_reference.py`."""
    assert (ROOT / "docs" / "reference.md").read_text() == GENERATOR.make_reference()


def test_every_failure_is_in_the_docs() -> None:
    """The page of failures is the table in the code; after a change run `python docs/make_reference.py`."""
    assert (ROOT / "docs" / "failures.md").read_text() == GENERATOR.make_failures()


@pytest.mark.parametrize(("cls", "name", "trait"), OPTIONS, ids=lambda value: getattr(value, "name", str(value)))
def test_every_option_says_what_it_does_and_numbers_say_their_unit(cls: type, name: str, trait: Any) -> None:
    """Help is a sentence, names the default, and gives a number's unit."""
    text = inspect.cleandoc(trait.help or "")

    assert text.endswith((".", '"')), f"{cls.__name__}.{name}"
    assert re.search(r"default|Default|Empty|On by", text), f"{cls.__name__}.{name} does not name its default"
    if isinstance(trait, Integer | Float):
        assert re.search(UNITS, text), f"{cls.__name__}.{name} has no unit"


def test_links_between_the_pages_lead_somewhere() -> None:
    """Every relative link in README and docs is a file of the repository."""
    broken = []
    for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            if not target.startswith("http") and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")

    assert broken == []


def test_the_five_lines_of_the_readme_are_valid() -> None:
    """The Helm values in the README and in helm-values/ pass the check that the hub makes at its start."""
    import yaml
    from traitlets.config import Config

    from jhaws.options import check_options

    block = re.search(r"^    hub:\n(    .*\n)+", (ROOT / "README.md").read_text(), flags=re.MULTILINE)
    assert block
    for text in (block[0], (ROOT / "helm-values" / "jhaws.yaml").read_text()):
        values = yaml.safe_load(text)
        assert check_options(Config(values["hub"]["config"]), GENERATOR.CLASSES, ()) == []
