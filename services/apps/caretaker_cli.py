"""Sends an operator's command to this node's caretaker and prints the answer. Small, because it runs beside the load.

python3 -m services.apps.caretaker_cli word         who is gone, what is orphaned (JSON)
python3 -m services.apps.caretaker_cli adopt        new owners take over the orphans: their chores are done again
"""

from __future__ import annotations

import http.client
import sys

from services.common.settings import SETTINGS

ADMIN_PORT = 8001
PATIENCE = 5  # seconds


def main() -> None:
    if len(sys.argv) != 2 or sys.argv[1] not in ("word", "adopt"):
        sys.exit(f"services.apps.caretaker_cli: found {sys.argv[1:]}, expected `word` or `adopt`")
    host = "127.0.0.1" if SETTINGS.bind == "0.0.0.0" else SETTINGS.bind
    connection = http.client.HTTPConnection(host, ADMIN_PORT, timeout=PATIENCE)
    bearer = {"Authorization": f"Bearer {SETTINGS.need('ADMIN_TOKEN')}"}
    try:
        connection.request("POST", f"/{sys.argv[1]}", headers=bearer)
        response = connection.getresponse()
        text = response.read().decode(errors="replace")
    except OSError as error:
        sys.exit(f"{SETTINGS.node}: {host}:{ADMIN_PORT} does not answer ({error}); is the caretaker running?")
    print(text)
    sys.exit(0 if response.status == 200 else 1)


if __name__ == "__main__":
    main()
