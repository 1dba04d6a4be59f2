"""Print the packages of the image in which it runs, Python's and Debian's, as CycloneDX 1.6 in JSON.

It holds no date, so the same packages give the same text. hub_image/Dockerfile runs it.
"""

from __future__ import annotations

import json
import os
import re
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import quote

DPKG = Path("/var/lib/dpkg/status")


def make_sbom(components: list[dict[str, Any]], version: str) -> dict[str, Any]:
    """Build the document for the components of the image; `version` is that of jhaws."""
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {"type": "container", "name": "jhaws-hub", "version": version}},
        "components": sorted(components, key=lambda component: component["purl"]),
    }


def find_python_packages() -> list[dict[str, Any]]:
    """Describe each package that this Python can import."""
    found = {}
    for package in metadata.distributions():
        name = re.sub(r"[-_.]+", "-", package.metadata["Name"]).lower()
        purl = f"pkg:pypi/{name}@{quote(package.version, safe='')}"
        component = {"type": "library", "bom-ref": purl, "name": name, "version": package.version, "purl": purl}
        if license_ := package.metadata.get("License-Expression"):
            component["licenses"] = [{"expression": license_}]
        # The one on the path first is the one that is imported.
        found.setdefault(name, component)
    return list(found.values())


def read_debian_packages(status: str) -> list[dict[str, Any]]:
    """Describe each package that dpkg's status file, given as text, has as installed."""
    components = []
    for paragraph in status.split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Architecture|Status): (.+)$", paragraph, re.MULTILINE))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name, version = fields["Package"], fields["Version"]
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version, safe='~')}?arch={fields['Architecture']}"
        components.append({"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl})
    return components


def main() -> None:
    """Print the document for this image."""
    debian = read_debian_packages(DPKG.read_text(encoding="utf-8")) if DPKG.exists() else []
    sbom = make_sbom([*find_python_packages(), *debian], os.environ.get("VERSION") or metadata.version("jhaws"))
    print(json.dumps(sbom, indent=1))


if __name__ == "__main__":
    main()
