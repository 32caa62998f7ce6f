-- What comes and goes is held back from the start too. Files may say otherwise, or delete it; who has a rule of their own keeps that alone.

INSERT INTO noise_rule SELECT 'NoiseRule', 'flapping', '{"name": "flapping",
    "description": "What opens again and again is told once it stays open.",
    "flapping": {"openings": 5, "within": "1800s", "calm_after": "300s"}}'
WHERE NOT EXISTS (SELECT FROM noise_rule WHERE kind = 'NoiseRule' AND definition ? 'flapping')
ON CONFLICT DO NOTHING;
UPDATE noise_version SET version = version + 1;
