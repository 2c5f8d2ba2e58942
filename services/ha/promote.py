"""An operator's command in a node: activates its service, or promotes its database regardless of the voters.

python3 -m services.ha.promote
"""

from __future__ import annotations

import http.client
import os
import sys

from services.common.settings import SETTINGS

ADMIN_PORT = 8001
PATIENCE = 20  # seconds; a promotion waits for the server to finish recovery


def main() -> None:
    act = "promote" if "INITIAL" in os.environ else "activate"  # only databases have an initial role
    host = "127.0.0.1" if SETTINGS.bind == "0.0.0.0" else SETTINGS.bind
    connection = http.client.HTTPConnection(host, ADMIN_PORT, timeout=PATIENCE)
    try:
        connection.request("POST", f"/{act}", headers={"Authorization": f"Bearer {SETTINGS.need('ADMIN_TOKEN')}"})
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except OSError as error:
        sys.exit(f"{SETTINGS.node}: {host}:{ADMIN_PORT} does not answer ({error}); is the node running?")
    print(f"{SETTINGS.node}: {act}: {response.status} {text}")
    sys.exit(0 if response.status == 200 else 1)


if __name__ == "__main__":
    main()
