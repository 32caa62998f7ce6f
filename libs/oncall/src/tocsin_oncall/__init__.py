"""The rules of on-call schedules, without a server: who is on call when, and why."""
