"""The whole simulated world."""

from pathlib import Path

from tocsin_runner.twins.aws import AwsTwin
from tocsin_runner.twins.blocklist import BlocklistTwin
from tocsin_runner.twins.crowdstrike import CrowdstrikeTwin
from tocsin_runner.twins.defender import DefenderTwin
from tocsin_runner.twins.entra import EntraTwin
from tocsin_runner.twins.github import GithubTwin
from tocsin_runner.twins.http import HttpTwin
from tocsin_runner.twins.jira import JiraTwin
from tocsin_runner.twins.kubernetes import KubernetesTwin
from tocsin_runner.twins.linux import LinuxTwin
from tocsin_runner.twins.okta import OktaTwin
from tocsin_runner.twins.openc2 import Openc2Twin
from tocsin_runner.twins.server import Twins
from tocsin_runner.twins.servicenow import ServicenowTwin
from tocsin_runner.twins.tocsin import TocsinTwin
from tocsin_runner.twins.twin import TwinClock
from tocsin_runner.twins.velero import VeleroTwin
from tocsin_runner.twins.wazuh import WazuhTwin


def everything(lists: Path | None = None) -> Twins:
    """A twin of each system; block lists are kept in a file, if one is given."""
    clock = TwinClock()
    plain = (
        AwsTwin,
        CrowdstrikeTwin,
        DefenderTwin,
        EntraTwin,
        GithubTwin,
        HttpTwin,
        JiraTwin,
        KubernetesTwin,
        LinuxTwin,
        OktaTwin,
        Openc2Twin,
        ServicenowTwin,
        TocsinTwin,
        VeleroTwin,
        WazuhTwin,
    )
    return Twins(clock, [BlocklistTwin(clock, file=lists), *(twin(clock) for twin in plain)])
