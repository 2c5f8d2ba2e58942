"""postgresql.conf and pg_hba.conf as text: small, with quick failover, and listening on the stack's network only."""

from typing import NamedTuple

ADMIN = "postgres"  # the supervisor's own role; the users' role is `stack`
NETWORKS = ("127.0.0.0/8", "10.77.0.0/16")


class Wiring(NamedTuple):
    """What differs between nodes. `password` is for both roles."""

    node: str
    bind: str
    port: int
    password: str
    version: int


_SETTINGS = """
unix_socket_directories = ''
max_connections = 120
shared_buffers = 16MB
wal_level = replica
wal_log_hints = on                      # pg_rewind needs it
wal_keep_size = 64MB
max_wal_size = 128MB
min_wal_size = 16MB
max_wal_senders = 8
hot_standby = on
fsync = on
synchronous_commit = on
wal_retrieve_retry_interval = 200ms     # at the default, promotion takes 0.1 s or 5.1 s by luck
wal_receiver_status_interval = 1s
wal_receiver_timeout = 2s               # a primary without power says no goodbye
wal_sender_timeout = 3s
tcp_keepalives_idle = 1
tcp_keepalives_interval = 1
tcp_keepalives_count = 2
tcp_user_timeout = 3s
dynamic_shared_memory_type = mmap       # in the data folder: a SIGKILL leaves nothing in /dev/shm
max_logical_replication_workers = 0
max_parallel_workers = 0
autovacuum_max_workers = 1
jit = off
log_destination = stderr
logging_collector = off
log_checkpoints = off
log_min_messages = log                  # an error of a client is the client's to report
log_min_error_statement = panic
password_encryption = scram-sha-256
"""


def server(wiring: Wiring, primary: str | None, waits_for: str | None) -> str:
    """postgresql.conf. `primary` is the host to stream from, `waits_for` the standby that each write waits for."""
    lines = [_SETTINGS, f"listen_addresses = {_quoted(wiring.bind)}", f"port = {wiring.port}"]
    if wiring.version >= 18:
        lines.append("io_method = sync")  # three processes fewer
    names = '"' + waits_for.replace('"', '""') + '"' if waits_for else ""
    lines.append(f"synchronous_standby_names = {_quoted(names)}")
    if primary:
        lines.append(f"primary_conninfo = {_quoted(conninfo(wiring, primary, wiring.node))}")
    return "\n".join(lines) + "\n"


def conninfo(wiring: Wiring, host: str, name: str) -> str:
    """How this node connects to the server on another host. A synchronous primary there waits for `name`."""
    parts = {
        "host": host,
        "port": str(wiring.port),
        "user": ADMIN,
        "dbname": "postgres",
        "password": wiring.password,
        "application_name": name,
        "sslmode": "disable",
        "gssencmode": "disable",
        "connect_timeout": "2",
        "keepalives_idle": "1",
        "keepalives_interval": "1",
        "keepalives_count": "2",
        "tcp_user_timeout": "2000",
    }
    return " ".join(f"{key}={_escaped(value)}" for key, value in parts.items())


def access() -> str:
    """pg_hba.conf: passwords for all users, from the stack's networks only."""
    lines = [f"host {database} all {net} scram-sha-256" for net in NETWORKS for database in ("all", "replication")]
    return "\n".join(lines) + "\n"


def founding(password: str) -> str:
    """SQL for the single-user server that creates the users' role and database; one statement a line."""
    return f"CREATE ROLE stack LOGIN PASSWORD {_quoted(password)};\nCREATE DATABASE stack OWNER stack;\n"


def _quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def _escaped(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
