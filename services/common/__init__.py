"""What every program of the stack shares: the web scaffold, stores, calls between services, metrics, logs."""

from __future__ import annotations

import os

# aiohttp reads the machine's certificates while it is imported, 55 ms in each of 14 programs that start together.
# Nothing in this stack speaks TLS.
os.environ["SSL_CERT_FILE"] = os.devnull
os.environ["SSL_CERT_DIR"] = os.devnull
