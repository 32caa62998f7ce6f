-- Secrets of integrations lie sealed (see tocsin_chassis.sealing), under the key whose id stands beside them.
-- `secrets` held them as they are; what is left there is sealed when detection starts.

ALTER TABLE integration
    ADD COLUMN sealed_secrets bytea[] NOT NULL DEFAULT '{}',
    ADD COLUMN secrets_key text NOT NULL DEFAULT '';
