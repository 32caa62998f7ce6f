-- Who is sending a page: what a process that is gone was sending need not wait for its lease.

-- 0: nobody whom others could see
ALTER TABLE page ADD COLUMN sender bigint NOT NULL DEFAULT 0;
