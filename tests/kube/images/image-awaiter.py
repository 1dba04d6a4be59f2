#!/usr/local/bin/python3
"""Waits until the pods of a DaemonSet are ready, as the hook of a z2jh chart wants it; takes the chart's options."""

import argparse
import json
import ssl
import time
import urllib.request
from pathlib import Path


def main() -> None:
    """Ask once a second; the Job's own deadline ends it."""
    parser = argparse.ArgumentParser()
    for name in ("ca-path", "auth-token-path", "api-server-address", "namespace", "daemonset"):
        parser.add_argument(f"-{name}", required=True)
    parser.add_argument("-pod-scheduling-wait-duration")
    options = parser.parse_args()

    trust = ssl.create_default_context(cafile=options.ca_path)
    token = Path(options.auth_token_path).read_text()
    url = f"{options.api_server_address}/apis/apps/v1/namespaces/{options.namespace}/daemonsets/{options.daemonset}"
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    while True:
        with urllib.request.urlopen(request, context=trust) as response:
            found = json.load(response)
        status = found["status"]
        if status.get("observedGeneration") == found["metadata"]["generation"]:
            print(f"{status['numberReady']} of {status['desiredNumberScheduled']} are ready", flush=True)
            if status["numberReady"] >= status["desiredNumberScheduled"]:
                return
        time.sleep(1)


main()
