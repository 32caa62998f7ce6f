"""Moving here from other on-call systems: read what their API says, turn it into configuration, and prove who is on call.

`api` asks a live system, `folder` reads what was saved of one; `opsgenie`, `jsm`, `pagerduty` and `grafana_oncall` say what it means here,
each as a function of plain JSON; `fidelity` replays both sides; `report` writes what was found.
"""
