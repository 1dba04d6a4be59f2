"""Checks what an operator wrote, before the hub starts with it.

traitlets ignores a section of a class that nobody uses, so `JhawsSpwaner` would silently do nothing; it warns of an
unknown option and goes on; and it finds a wrong type when the first server starts. Here each of them becomes one
sentence, all at once, and the hub does not start half-configured. Only jhaws's own sections are strict about names:
what an operator's KubeSpawner has today goes on with a warning.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import Any

from traitlets import HasTraits, TraitError
from traitlets.config import Config, Configurable
from traitlets.config.loader import DeferredConfig, LazyConfigValue

from .errors import ConfigError
from .pods.records import describe, may_be_shown, suggest

# How alike two names must be for one to be a slip of the other: JhawsSpwaner and JhawsSpawner are 0.92, but somebody's
# own CubeSpawner and KubeSpawner would be too. A class that is there is never a slip.
SLIP = 0.9
# Options whose values never stand in an error.
SECRET = re.compile("password|secret|token|environment|auth_state|git_repos")
# The option whose keys are passwords.
KEYS_ARE_PASSWORDS = "password_groups"


def check_options(
    config: Config, ours: Iterable[type[Configurable]], others: Iterable[type[Configurable]]
) -> list[str]:
    """Check the complete configuration of a hub.

    Args:
        config: As it is after the last line of `hub.extraConfig`.
        ours: The classes of jhaws whose options must all be right.
        others: The classes of JupyterHub and KubeSpawner whose names may be misspelt and whose unknown options
            are only worth a warning.

    Returns:
        Warnings, a sentence each.

    Raises:
        ConfigError: A section or an option is misspelt, or a value has the wrong type; all that was found, a
            line each, without the value of a password.
    """
    ours, others = tuple(ours), tuple(others)
    problems = list(_misspelt_sections(config, [cls.__name__ for cls in ours], prefix="jhaws"))
    # A class of somebody's own may be called KubeSpawner2, so a likeness to upstream's is worth no more than a word.
    warnings = list(_misspelt_sections(config, [cls.__name__ for cls in others]))
    for cls in ours:
        for parent in cls.__mro__:
            if isinstance(config.get(parent.__name__), dict):
                found = problems if parent.__module__.startswith("jhaws.") else warnings
                found.extend(_unknown_options(cls, parent.__name__, config))
        problems.extend(_wrong_values(cls, config))
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    return list(dict.fromkeys(warnings))


def _misspelt_sections(config: Config, targets: list[str], *, prefix: str = "\0") -> Iterator[str]:
    there = {cls.__name__ for cls in _subclasses(Configurable)}
    for section, value in config.items():
        if section in there or not isinstance(value, Config):
            continue
        near = difflib.get_close_matches(section, targets, n=1, cutoff=SLIP)
        if near or section.lower().startswith(prefix):
            yield (
                f"The configuration has a section {section!r}, but no class of that name is there. "
                f"{suggest(section, near or targets)}"
            )


def _subclasses(cls: type[Any]) -> Iterator[type[Any]]:
    for each in cls.__subclasses__():
        yield each
        yield from _subclasses(each)


def _unknown_options(cls: type[Configurable], section: str, config: Config) -> Iterator[str]:
    known = cls.class_trait_names(config=True)
    for name, value in config[section].items():
        if name in known or isinstance(value, Config):
            continue
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"Did you mean {near[0]!r}?" if near else "Remove it, or see the reference of options."
        # Under a slip of the indentation the option's keys, which are passwords, become options of the section.
        shown = near or (KEYS_ARE_PASSWORDS not in known and may_be_shown(name))
        yield (
            f"{section} has no option {name!r}. {advice}"
            if shown
            else (
                f"{section} has an option of a name that it does not know and that is not shown here, as it may be a "
                f"secret. {advice}"
            )
        )


def _wrong_values(cls: type[Configurable], config: Config) -> Iterator[str]:
    # A bare object has the traits and their validators; making a real one would start it working.
    bare = cls.__new__(cls)
    traits = cls.class_traits(config=True)
    for section in cls.section_names():
        if not isinstance(config.get(section, {}), dict):
            yield f"{section} must be a mapping of options, got {describe(config[section])}."
            continue
        for name, written in config.get(section, {}).items():
            if name in traits and (problem := _wrong_value(bare, name, written)):
                yield _with_place(cls, section, name, problem)


def _with_place(cls: type[Configurable], section: str, name: str, problem: str) -> str:
    """Return a sentence about a value that says once which option it is."""
    if problem.startswith(cls.__name__):
        return problem
    if re.match(rf"{name}\b", problem):
        return f"{section}.{problem}"
    return f"{section}.{name}: {problem}"


def _wrong_value(bare: HasTraits, name: str, written: Any) -> str:
    """Return what is wrong with a value, "" where nothing is."""
    trait: Any = bare.traits()[name]
    try:
        value = _resolve(bare, name, trait, written)
        trait._validate(bare, value)
    except ConfigError as error:
        return str(error)
    except (TraitError, ValueError) as error:
        if SECRET.search(name):
            return f"must be {trait.info()}, got a {type(written).__name__} that is not shown here."
        # A validator of somebody's own may show the value.
        reason = _reason(error, trait) if may_be_shown(written) else ""
        return f"must be {trait.info()}, got {describe(written)}. {reason}".rstrip()
    except Exception:  # noqa: BLE001  # a validator that needs more than a bare object speaks when it has that
        return ""
    return ""


def _resolve(bare: HasTraits, name: str, trait: Any, written: Any) -> Any:
    """Return the value that traitlets would make of what was written: appended lists, text of a command line."""
    if isinstance(written, LazyConfigValue):
        return written.get_value(getattr(bare, name))
    if isinstance(written, DeferredConfig):
        return written.get_value(trait)
    return written


def _reason(error: Exception, trait: Any) -> str:
    """Return the validator's own words; traitlets' standard sentence repeats what ours says."""
    text = str(error)
    return "" if f"The '{trait.name}' trait of" in text else text


def configured_value(cls: type[Configurable], config: Config, name: str) -> Any:
    """Return the value that option `name` has in a new object of `cls`, without making one.

    Args:
        cls: The class whose option it is; sections of its parents count, the nearest class wins.
        config: The complete configuration, already checked.
        name: The option's name.
    """
    bare: Any = cls.__new__(cls)
    trait: Any = bare.traits()[name]
    for section in reversed(cls.section_names()):
        if section in config and name in config[section]:
            return trait._validate(bare, _resolve(bare, name, trait, config[section][name]))
    return getattr(bare, name)
