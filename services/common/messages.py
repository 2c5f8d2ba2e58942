"""The table of messages: chat writes it, timeline reads what a user has received.

A message's id comes from its client, its line number from the database. The table itself allows duplicate ids: `post`
prevents them, and a read-back shows them if `post` fails to.
"""

from __future__ import annotations

SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    line bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id text COLLATE "C" NOT NULL,
    sender text NOT NULL,
    recipient text NOT NULL,
    body text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX IF NOT EXISTS messages_of_id ON messages (id);
CREATE INDEX IF NOT EXISTS messages_sent ON messages (sender, line);
CREATE INDEX IF NOT EXISTS messages_between ON messages (sender, recipient, at DESC);
CREATE INDEX IF NOT EXISTS messages_received ON messages (recipient, at DESC);

CREATE OR REPLACE FUNCTION post(m_id text, m_sender text, m_recipient text, m_body text) RETURNS text AS $$
DECLARE
    known messages%ROWTYPE;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(m_id, 0));
    -- The row lock makes even a repetition a commit of its own, which waits for the standby after the first one's:
    -- the first try may have ended while its commit waited, and a plain read would see it before it is safe.
    SELECT * INTO known FROM messages WHERE id = m_id FOR UPDATE;
    IF FOUND THEN
        RETURN CASE WHEN (known.sender, known.recipient, known.body) = (m_sender, m_recipient, m_body)
            THEN 'again' ELSE 'taken' END;
    END IF;
    INSERT INTO messages (id, sender, recipient, body) VALUES (m_id, m_sender, m_recipient, m_body);
    RETURN 'done';
END $$ LANGUAGE plpgsql;
"""
