"""The embedded broker's tables and statements, and how much one statement may do.

`:tags` is a JSON array; an empty one is all tags.
"""

VERSION = 2
"""What this code writes into the file's `user_version`."""
PAGE_ROWS = 256
"""Most messages in one page."""
PAGE_BYTES = 4 * 1024 * 1024
"""Bytes of bodies at which a page ends early."""
PAGE_SPAN = 200_000
"""How many messages one page looks through for those whose tag is wanted."""
MOVE_ROWS = 256
"""Most delayed messages that one commit moves."""
DELETE_ROWS = 1024
"""Most messages that one commit deletes, for each topic."""
DELETE_STEP = 256
"""How far, in places, a topic's groups get before what they are all done with is deleted."""

SCHEMA = """
CREATE TABLE messages (
    seq INTEGER PRIMARY KEY, stored_at INTEGER NOT NULL, deliver_at INTEGER NOT NULL, topic TEXT NOT NULL,
    tag TEXT NOT NULL, "key" TEXT NOT NULL, message_id TEXT NOT NULL, properties BLOB, body BLOB NOT NULL,
    sequence TEXT NOT NULL DEFAULT '');
CREATE INDEX messages_by_topic ON messages (topic, seq, tag);
CREATE TABLE delayed (
    id INTEGER PRIMARY KEY, deliver_at INTEGER NOT NULL, topic TEXT NOT NULL,
    tag TEXT NOT NULL, "key" TEXT NOT NULL, message_id TEXT NOT NULL, properties BLOB, body BLOB NOT NULL,
    sequence TEXT NOT NULL DEFAULT '');
CREATE INDEX delayed_by_time ON delayed (deliver_at);
CREATE TABLE cursors (
    cursor INTEGER PRIMARY KEY, consumer_group TEXT NOT NULL, topic TEXT NOT NULL, tags TEXT NOT NULL,
    mark INTEGER NOT NULL, UNIQUE (topic, consumer_group));
CREATE TABLE pending (
    cursor INTEGER NOT NULL, seq INTEGER NOT NULL, not_before INTEGER NOT NULL, attempts INTEGER NOT NULL,
    PRIMARY KEY (cursor, seq)) WITHOUT ROWID;
"""
TO_VERSION_2 = """
ALTER TABLE messages ADD COLUMN sequence TEXT NOT NULL DEFAULT '';
ALTER TABLE delayed ADD COLUMN sequence TEXT NOT NULL DEFAULT '';
"""
COLUMNS = 'deliver_at, topic, tag, "key", message_id, properties, body, sequence'
WANTED = "(:tags = '[]' OR tag IN (SELECT value FROM json_each(:tags)))"
INSERT = f"INSERT INTO messages (seq, stored_at, {COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
DELAY = f"INSERT INTO delayed ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
DUE = f"SELECT id, {COLUMNS} FROM delayed WHERE deliver_at <= ? ORDER BY deliver_at, id LIMIT {MOVE_ROWS}"
PAGE = (
    f"SELECT seq, {COLUMNS} FROM messages WHERE topic = :topic AND seq > :after AND seq <= :upto AND {WANTED} "
    f"ORDER BY seq LIMIT {PAGE_ROWS}"
)
READ = f"SELECT seq, {COLUMNS} FROM messages WHERE seq IN (SELECT value FROM json_each(?)) ORDER BY seq"
COUNT = f"SELECT count(*) FROM messages WHERE topic = :topic AND seq > :after AND {WANTED}"
OLDEST = (
    "SELECT min(stored_at) FROM (SELECT * FROM (SELECT stored_at FROM messages "
    f"WHERE topic = :topic AND seq > :after AND {WANTED} ORDER BY seq LIMIT 1) UNION ALL "
    "SELECT stored_at FROM messages WHERE seq = (SELECT min(seq) FROM pending WHERE cursor = :cursor))"
)
DONE = (
    "SELECT min(min(c.mark, coalesce((SELECT min(p.seq) - 1 FROM pending p WHERE p.cursor = c.cursor), c.mark))) "
    "FROM cursors c WHERE c.topic = ?"
)
DELETE = (
    "DELETE FROM messages WHERE seq IN "
    f"(SELECT seq FROM messages WHERE topic = ? AND seq <= ? ORDER BY seq LIMIT {DELETE_ROWS})"
)
OLD = "SELECT seq, stored_at FROM messages WHERE topic = ? ORDER BY seq LIMIT ?"
UNDONE = (
    "SELECT count(*) FROM messages m JOIN cursors c ON c.topic = m.topic WHERE m.topic = :topic AND m.seq <= :upto AND "
    "(m.seq > c.mark OR EXISTS (SELECT 1 FROM pending p WHERE p.cursor = c.cursor AND p.seq = m.seq)) AND "
    "(c.tags = '[]' OR m.tag IN (SELECT value FROM json_each(c.tags)))"
)
PENDING = (
    "SELECT p.seq, p.not_before, p.attempts, coalesce(m.sequence, '') FROM pending p "
    "LEFT JOIN messages m ON m.seq = p.seq WHERE p.cursor = ?"
)
CURSORS = (
    "SELECT cursor, consumer_group, topic, tags, mark FROM cursors "
    "WHERE :group IS NULL OR consumer_group = :group ORDER BY cursor"
)
