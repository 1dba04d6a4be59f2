"""kubectl as a coroutine, for one cluster and one namespace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Obj = dict[str, Any]


class KubectlError(Exception):
    """kubectl failed; the text is what it wrote."""


@dataclass(frozen=True)
class Kubectl:
    """A cluster and a namespace in it.

    Attributes:
        program: Path of kubectl.
        kubeconfig: Of the cluster.
        namespace: For every call.
    """

    program: str
    kubeconfig: str
    namespace: str

    @property
    def command(self) -> list[str]:
        """How kubectl is called, before what it shall do."""
        return [self.program, f"--kubeconfig={self.kubeconfig}", f"--namespace={self.namespace}"]

    async def run(self, *arguments: str, stdin: str = "") -> str:
        """Run kubectl and return what it printed.

        Raises:
            KubectlError: It failed.
        """
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await process.communicate(stdin.encode())
        if process.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {errors.decode()}")
        return out.decode()

    async def get(self, kind: str, name: str) -> Obj:
        """Read an object."""
        found: Obj = json.loads(await self.run("get", kind, name, "--output=json"))
        return found

    async def list(self, kind: str, *options: str, **labels: str) -> list[Obj]:
        """Read all objects of a kind that carry these labels; `--all-namespaces` is an option."""
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        found = json.loads(await self.run("get", kind, f"--selector={selector}", "--output=json", *options))
        items: list[Obj] = found["items"]
        return items

    async def apply(self, *objects: Mapping[str, Any]) -> None:
        """Create or change objects."""
        whole = {"kind": "List", "apiVersion": "v1", "items": objects}
        await self.run("apply", "--filename=-", stdin=json.dumps(whole))
