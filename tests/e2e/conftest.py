"""One whole installation, started as a user starts it, for all tests of this folder."""

import time

import pytest
from tocsin.communication.v1 import communication_service_pb2 as communication_pb
from tocsin.communication.v1.page_pb2 import Configuration
from tocsin.communication.v1.rules_pb2 import PageLimit
from tocsin.response.v1 import response_service_pb2 as response_pb
from tocsin.triage.v1 import triage_service_pb2 as triage_pb

from tocsin_testkit.installation import installation
from tocsin_testkit.scenario import Caller

ORGANISATION_SECONDS = 30.0


@pytest.fixture(scope="package", name="up")
def _up():
    """`tocsin up --demo`, ready, with the demo's people on call."""
    with installation(arguments=("--demo",)) as started:
        until = time.monotonic() + ORGANISATION_SECONDS
        while not _organised(Caller(started.connection)):
            assert time.monotonic() < until, "the demo did not apply its organisation"
            time.sleep(0.1)
        _let_everything_through(Caller(started.connection))
        yield started


def _let_everything_through(caller):
    """The tests page two people more often than people are paged: what is beyond the usual limits would wait."""
    configuration = Configuration(page_limits=[PageLimit(name="email"), PageLimit(name="all")])
    caller.call(caller.communication.ApplyConfiguration, communication_pb.ApplyConfigurationRequest(configuration=configuration))


def _organised(caller):
    triage = caller.call(caller.triage.ExportConfiguration, triage_pb.ExportConfigurationRequest()).configuration
    response = caller.call(caller.response.ExportConfiguration, response_pb.ExportConfigurationRequest()).configuration
    communication = caller.call(caller.communication.ExportConfiguration, communication_pb.ExportConfigurationRequest()).configuration
    named = [*triage.services, *response.escalation_policies, *communication.contact_methods]
    return {"checkout", "shop", "amara-email"} <= {resource.name for resource in named}
