"""The settings of review."""

from dataclasses import dataclass

from tocsin_chassis.settings import ServiceSettings


@dataclass(frozen=True, kw_only=True)
class ReviewSettings(ServiceSettings):
    """What every service needs is enough."""
