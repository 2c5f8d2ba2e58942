"""The table of messages: chat writes it, timeline shows from it what a user has received."""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id text COLLATE "C" PRIMARY KEY,
    sender text NOT NULL,
    recipient text NOT NULL,
    body text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS messages_sent ON messages (sender, id);
CREATE INDEX IF NOT EXISTS messages_between ON messages (sender, recipient, at DESC);
CREATE INDEX IF NOT EXISTS messages_received ON messages (recipient, at DESC);
"""
