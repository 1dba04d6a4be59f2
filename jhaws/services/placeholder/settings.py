"""The placeholder's options.

The hub checks them when its configuration is complete, fills in what it knows better (z2jh's PriorityClass, the size
of a server) and hands them to the process as JSON; see `running`. What follows from them is in `seats`.
"""

from typing import Any

from traitlets import Dict, Float, Integer, Unicode, Union, validate
from traitlets.config import Configurable

from jhaws.errors import ConfigError
from jhaws.services.running import check_number


class JhawsPlaceholder(Configurable):
    """Options of the placeholder, set as `hub.config.JhawsPlaceholder` or `c.JhawsPlaceholder`."""

    seats = Union(
        [Integer(), Dict(value_trait=Integer(), key_trait=Unicode())],
        default_value=0,
        config=True,
        help="""
        Keep this many placeholder pods (a count) in each nodegroup, or per nodegroup by name.

        Each holds the place of one server: who starts one takes it at once, and the placeholder waits for a new
        node instead. The default, 0, is off, because every seat costs money around the clock. Requires a
        PriorityClass; see `priority_class`. Examples: `seats: 2`, `seats: {jhusers: 2, jhgpu: 0}`.
        """,
    )

    priority_class = Unicode(
        "",
        config=True,
        help="""
        The PriorityClass of placeholder pods; its value must be lower than that of users' pods.

        Default: the one that z2jh makes with `scheduling.podPriority.enabled: true`. Without one no placeholder
        is kept, because none would give way. Example: `priority_class: jhub-user-placeholder-priority`.
        """,
    )

    image = Unicode(
        "registry.k8s.io/pause:3.10",
        config=True,
        help="""
        The image of placeholder pods; it must sleep for ever without root, command or arguments.

        Default: the one of z2jh's own placeholders, `scheduling.userPlaceholder.image`; outside z2jh Kubernetes' own,
        which most nodes have already. Example: your mirror of it.
        """,
    )

    cpu_cores = Float(
        None,
        allow_none=True,
        config=True,
        help="""
        CPU that one placeholder holds, in cores.

        Default: the spawner's `cpu_guarantee`, so that a seat has the size of a server. Example:
        `cpu_cores: 0.5`.
        """,
    )

    memory_gib = Float(
        None,
        allow_none=True,
        config=True,
        help="""
        Memory that one placeholder holds, in GiB.

        Default: the spawner's `mem_guarantee`, so that a seat has the size of a server. Example:
        `memory_gib: 2`.
        """,
    )

    every = Integer(
        60,
        config=True,
        help="""
        Compare the pods with `seats` at least every this many seconds.

        A placeholder that gave way is noticed at once whatever this says; the default of 60 mends what no event
        told. Example: `every: 300`.
        """,
    )

    @validate("seats")
    def _check_seats(self, proposal: dict[str, Any]) -> int | dict[str, int]:
        seats = proposal["value"]
        if not isinstance(seats, dict):
            check_number("seats", seats, at_least=0)
            return int(seats)
        for name, count in seats.items():
            check_number(f"seats[{name!r}]", count, at_least=0)
        return dict(seats)

    @validate("every")
    def _check_every(self, proposal: dict[str, Any]) -> int:
        check_number("every", proposal["value"], at_least=1)
        return int(proposal["value"])

    @validate("cpu_cores", "memory_gib")
    def _check_size(self, proposal: dict[str, Any]) -> float | None:
        name, value = proposal["trait"].name, proposal["value"]
        # One thousandth is the smallest CPU request that Kubernetes knows; less would hold no place.
        check_number(name, value, at_least=0.001)
        return None if value is None else float(value)

    @validate("image")
    def _check_image(self, proposal: dict[str, Any]) -> str:
        image = str(proposal["value"])
        if not image or any(character.isspace() for character in image):
            raise ConfigError(
                f"image must be an image's name without spaces, got {image!r}. Set for example "
                "registry.k8s.io/pause:3.10."
            )
        return image
