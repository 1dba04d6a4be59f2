"""Images, of which only the names are real: is it a name, does it exist, how long does its pull take.

An image is pulled once per node; pods that need it meanwhile wait for the same pull, as with the real kubelet.
`podworker` turns the errors into container states and events.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from jhaws.errors import LocalError

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_HOST = r"(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*(?::[0-9]+)?/)?"
# Source: github.com/distribution/reference, grammar in reference.go, read for v0.6.
REFERENCE = re.compile(
    rf"{_HOST}{_COMPONENT}(?:/{_COMPONENT})*(?::[\w][\w.-]{{0,127}})?(?:@[a-z0-9+._-]+:[0-9a-fA-F]{{32,}})?"
)


class ImageError(LocalError):
    """An image cannot be had.

    Args:
        reason: What the container waits with, for example `ErrImagePull`.
        message: The sentence.
        event: The reason of the event.
    """

    def __init__(self, reason: str, message: str, *, event: str = "Failed") -> None:
        super().__init__(message)
        self.reason = reason
        self.event = event


class Images:
    """The images of all nodes.

    Args:
        pull_seconds: How long the first pull on a node takes.
        missing: Patterns of names that no registry has, as in `fnmatch`.
    """

    def __init__(self, *, pull_seconds: float = 0.0, missing: Sequence[str] = ()) -> None:
        self._pull_seconds = pull_seconds
        self._missing = tuple(missing)
        self._pulls: dict[tuple[str, str], asyncio.Event] = {}

    def is_present(self, node: str, image: str) -> bool:
        """Tell whether a node has an image."""
        pull = self._pulls.get((node, image))
        return pull is not None and pull.is_set()

    def check_name(self, image: str) -> None:
        """Check that a name can be an image's.

        Raises:
            ImageError: It cannot.
        """
        if not REFERENCE.fullmatch(image):
            why = f'couldn\'t parse image name "{image}": invalid reference format'
            message = f'Failed to apply default image tag "{image}": {why}'
            raise ImageError("InvalidImageName", message, event="InspectFailed")

    async def pull(self, node: str, image: str) -> None:
        """Wait until a node has an image.

        Raises:
            ImageError: No registry has it.
        """
        if any(fnmatchcase(image, pattern) for pattern in self._missing):
            message = (
                f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": {image}: not found'
            )
            raise ImageError("ErrImagePull", message)
        key = (node, image)
        if key not in self._pulls:
            done = self._pulls[key] = asyncio.Event()
            if self._pull_seconds:
                # Not bound to the pod that asked first: its end does not end the pull.
                asyncio.get_running_loop().call_later(self._pull_seconds, done.set)
            else:
                done.set()
        await self._pulls[key].wait()

    def forget_node(self, node: str) -> None:
        """Forget what a node had; a new node of that name has nothing."""
        for key in [key for key in self._pulls if key[0] == node]:
            del self._pulls[key]
