"""The roles of the services in the database: the one file that every installation runs (deploy/postgres/roles.sql)."""

import importlib.resources
from collections.abc import Mapping

from tocsin_standalone.postgres import EmbeddedPostgres

DATABASE = "tocsin"


def apply(server: EmbeddedPostgres, passwords: Mapping[str, str]) -> None:
    """Make database, roles and schemas as they should be. `passwords` has one for each service, by the service's name."""
    variables = {f"TOCSIN_{service.upper()}_PASSWORD": password for service, password in passwords.items()}
    with importlib.resources.as_file(importlib.resources.files("tocsin_standalone") / "roles.sql") as script:
        server.psql(script.resolve(), variables)
