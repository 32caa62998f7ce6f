"""The settings of triage."""

from dataclasses import dataclass

from tocsin_chassis.settings import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class TriageSettings(ServiceSettings):
    """What every service needs is enough."""
