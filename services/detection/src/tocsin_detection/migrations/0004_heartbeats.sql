-- Heartbeats: what is expected to report in regularly, and when it counts as late.

CREATE TABLE heartbeat (
    name text PRIMARY KEY,
    integration text NOT NULL,
    every integer NOT NULL,
    unit text NOT NULL,
    grace interval NOT NULL,
    description text NOT NULL,
    service text NOT NULL,
    owner_team text NOT NULL,
    alert_message text NOT NULL,
    alert_tags text[] NOT NULL,
    alert_priority text NOT NULL,
    disabled boolean NOT NULL,
    created_at timestamptz NOT NULL,
    last_ping_at timestamptz,
    -- What the interval counts from: the newest ping, or when it was switched on again. Null: it waits for its first ping.
    expected_since timestamptz,
    late_since timestamptz,
    -- The timer; null while it cannot be late, or is so already.
    due_at timestamptz
);

CREATE INDEX heartbeat_due ON heartbeat (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX heartbeat_of_integration ON heartbeat (integration, name);
