"""Several values files as one, merged as Helm does: mappings deep, everything else replaced by the last.

Each value remembers who set it and what it took the place of. `null` stays `null` here: Helm deletes a default of the
chart with it, and hands it to the hub where the chart has no such key.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .places import Path, Place, value_at
from .reading import Source


@dataclass(frozen=True)
class Setting:
    """What one file says at one path.

    Attributes:
        path: Of a value that is no mapping with something in it.
        value: The value.
        place: Where it stands.
        over: The settings of other files that it took the place of, the last one first.
    """

    path: Path
    value: Any
    place: Place
    over: tuple[Setting, ...] = ()


@dataclass
class Merged:
    """The merged values.

    Attributes:
        values: What the chart gets.
        places: Where each value stands, also those in lists.
        settings: The value that counts at each path, in the order of `values`.
    """

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Path, Place] = field(default_factory=dict)
    settings: dict[Path, Setting] = field(default_factory=dict)

    def place_of(self, path: Path) -> Place:
        """Return where a value stands, or the nearest thing around it."""
        while path not in self.places and path:
            path = path[:-1]
        return self.places[path]


def merge(sources: Iterable[Source]) -> Merged:
    """Merge files in their order, as `helm --values A --values B` does."""
    merged = Merged()
    for source in sources:
        merged.places.setdefault((), Place(source.name, 1))
        for path, value in _leaves(source.values, ()):
            _set(merged, Setting(path, value, Place(source.name, source.lines[path])))
        _merge_into(merged.values, source.values)
        for path, line in source.lines.items():
            if path:
                merged.places[path] = Place(source.name, line)
    merged.settings = {path: merged.settings[path] for path, _ in _leaves(merged.values, ())}
    return merged


def _merge_into(values: dict[str, Any], new: Mapping[str, Any]) -> None:
    for key, value in new.items():
        if isinstance(value, dict) and isinstance(values.get(key), dict):
            _merge_into(values[key], value)
        else:
            values[key] = _copy(value)


def _copy(value: Any) -> Any:
    return {key: _copy(each) for key, each in value.items()} if isinstance(value, dict) else value


def _leaves(values: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(values, dict) and values:
        for key, value in values.items():
            yield from _leaves(value, (*path, key))
    elif path:
        yield path, values


def _set(merged: Merged, new: Setting) -> None:
    """Let `new` count instead of what the files before set at its path, around it or below it."""
    ours, before = new.path, value_at(merged.values, new.path)
    gone = [ours[:length] for length in range(1, len(ours) + 1) if ours[:length] in merged.settings]
    if before and isinstance(before, dict | list):
        if new.value == {} and isinstance(before, dict):
            # Merged into a mapping, it changes nothing.
            return
        gone += [path for path in merged.settings if len(path) > len(ours) and path[: len(ours)] == ours]
        for path in [path for path in merged.places if len(path) > len(ours) and path[: len(ours)] == ours]:
            del merged.places[path]
    over = [merged.settings.pop(path) for path in gone]
    history = tuple(each for setting in over for each in (setting, *setting.over))
    merged.settings[ours] = Setting(ours, new.value, new.place, history)
