"""Imports from the systems that people leave: every second of who is on call, over a change of clocks, against an oracle of their own."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tocsin_client import configuration
from tocsin_client.cli import run
from tocsin_client.importing import folder, moving, restrictions
from tocsin_client.importing.api import Api, ImportFailed
from tocsin_client.importing.names import Names, slug
from tocsin_client.importing.report import is_clean
from tocsin_testkit.outside import jsm_operations, oncall_systems

# Both clock changes of the year lie within 90 days of this: 1 November in New York, 25 October in Berlin.
NOW = datetime(2026, 10, 20, 11, tzinfo=UTC)
SYSTEMS = {
    "opsgenie": (oncall_systems.opsgenie, oncall_systems.GENIE_KEY.removeprefix("GenieKey ")),
    "jsm": (jsm_operations.jsm, jsm_operations.KEY),
    "pagerduty": (oncall_systems.pagerduty, oncall_systems.PAGERDUTY_KEY.removeprefix("Token token=")),
    "grafana-oncall": (oncall_systems.grafana_oncall, oncall_systems.GRAFANA_KEY),
}


@pytest.fixture(params=SYSTEMS)
def system(request):
    make, key = SYSTEMS[request.param]
    with make(NOW) as there:
        there.name, there.key = request.param, key
        yield there


def archive_of(system):
    api = Api(system.url, moving.SYSTEMS[system.name].headers(system.key), beside=system.url)
    try:
        return moving.fetch(system.name, api, NOW - timedelta(days=90), NOW + timedelta(days=90))
    finally:
        api.close()


def imported(name, names=None, keys=None):
    make, key = SYSTEMS[name]
    with make(NOW) as there:
        there.name, there.key = name, key
        return moving.understand(name, archive_of(there), names or Names(), NOW, keys or {}, 90)


def spec(move, kind, name):
    [found] = [each.spec for each in move.imported.documents if (each.kind, each.name) == (kind, name)]
    return found


def test_every_second_of_ninety_days_each_way_agrees(system):
    move = moving.understand(system.name, archive_of(system), Names(), NOW, {}, 90)
    [coming], [past] = move.coming, move.past
    assert (coming.share, coming.differences) == (1.0, ())
    assert (past.share, past.differences) == (1.0, ())
    assert coming.until - coming.since >= timedelta(days=80)
    assert is_clean(move.coming)


def test_what_is_written_is_a_configuration_and_the_second_run_is_the_same(system, tmp_path):
    texts = []
    for _ in range(2):
        names = moving.read_names(tmp_path)
        move = moving.understand(system.name, archive_of(system), names, NOW, {}, 90)
        wanted = moving.write(move, names, tmp_path, NOW)
        texts.append({file.name: file.read_text() for file in sorted((tmp_path / "configuration").glob("*.yaml"))})
    assert texts[0] == texts[1]
    assert {resource.kind.name for resource in wanted.resources} >= {
        "Responder",
        "Team",
        "Schedule",
        "EscalationPolicy",
        "Service",
        "Integration",
    }
    everything = "".join(file.read_text() for file in tmp_path.rglob("*") if file.is_file())
    for key in (*move.imported.keys.values(), system.key):
        assert key not in everything, "a key stands in a file"


def test_it_waits_when_it_is_told_to(system):
    system.stumbles = 3
    assert archive_of(system)["users"]


def test_a_wrong_key_is_told_at_once(system):
    system.key = "wrong"
    with pytest.raises(ImportFailed, match="HTTP 401"):
        archive_of(system)


def test_opsgenie_keeps_what_its_escalations_mean():
    move = imported("opsgenie", keys={"Prometheus EU": "8f1e7c52-genie-key"})
    policy = spec(move, "EscalationPolicy", "payments")
    assert [step["delay"] for step in policy["steps"]] == ["300s", "900s", "600s"]
    assert [step["targets"] for step in policy["steps"]] == [
        [{"schedule": "primary-ny"}],
        [{"schedule": "primary-ny", "turn": "NEXT"}],
        [{"team": "payments-ledger", "part": "MANAGERS"}],
    ]
    assert policy["steps"][2]["guard"] == "IF_NOT_CLOSED"
    assert policy["repeat"] == 2
    assert policy["urgency_rules"] == [{"condition": {"severities": ["SEV1"]}, "urgency": "HIGH", "escalation_policy": "all-hands"}]
    assert spec(move, "Service", "checkout")["escalation_policy"] == "payments"
    assert spec(move, "PersonalRules", "ada")["high"] == [{"contact_method": "ada-sms"}, {"contact_method": "ada-email", "delay": "180s"}]
    assert spec(move, "ContactMethod", "ada-sms")["address"] == "+15555550101"
    assert move.imported.keys == {"prometheus-eu": "8f1e7c52-genie-key"}
    lost = {(each.where, each.what) for each in move.imported.lost}
    assert ("users/ada@example.org/contacts", "the contact method 'mobile'") in lost
    assert ("integrations/Tell Slack", "Slack sends out") in lost
    [schedule] = [each for each in move.imported.documents if each.kind == "Schedule"]
    assert [each["kind"] for each in schedule.spec["overrides"]] == ["COVER_ALL", "REPLACE"]


def test_after_the_move_to_jira_service_management_it_is_the_same_organisation():
    before, after = (imported(name, keys={"Prometheus EU": "8f1e7c52-genie-key"}) for name in ("opsgenie", "jsm"))
    kinds = ("EscalationPolicy", "Heartbeat")
    assert [each for each in after.imported.documents if each.kind in kinds] == [
        each for each in before.imported.documents if each.kind in kinds
    ]
    assert [layer["rotation"]["participants"] for layer in spec(after, "Schedule", "primary-ny")["layers"]] == [
        [{"responder": "ada"}, {"responder": "bob"}, {"responder": "cyd-example"}],
        [{"responder": "cyd-example"}, {"responder": "ada"}],
    ]
    assert spec(after, "Team", "payments-ledger")["members"] == ["ada", "bob", "cyd-example"]
    assert spec(after, "ContactMethod", "ada-sms")["address"] == "+15555550101"
    assert after.imported.keys == before.imported.keys
    lost = {(each.where, each.what) for each in after.imported.lost}
    assert ("teams/Payments & Ledger/members", "operations do not tell who is in a team") in lost
    assert ("users/Cyd Example", "hides the e-mail address") in lost


def test_a_rule_that_asks_several_asks_them_at_once_and_nobody_takes_over_nothing():
    archive = {
        "users": [{"accountId": "a", "displayName": "Ada", "emailAddress": "ada@x.org"}, {"accountId": "b", "displayName": "Bob"}],
        "teams": [
            {
                "teamId": "t",
                "teamName": "T",
                "members": ["a", {"accountId": "b", "role": "admin"}],
                "escalations": [
                    {"id": "e", "name": "E", "rules": [{"delay": 5, "recipients": [{"type": "user", "id": each} for each in "ab"]}]}
                ],
            }
        ],
        "schedules": [
            {
                "id": "s",
                "name": "S",
                "timezone": "UTC",
                "rotations": [
                    {
                        "id": "r",
                        "name": "R",
                        "type": "daily",
                        "startDate": "2026-01-01T09:00:00Z",
                        "participants": [{"type": "noone"}, {"type": "escalation", "id": "e"}, {"type": "team", "id": "t"}],
                    }
                ],
                "overrides": [{"alias": "o", "startDate": "2026-12-01T00:00:00Z", "endDate": "2026-12-02T00:00:00Z", "rotations": ["r"]}],
            }
        ],
    }
    move = moving.understand("jsm", archive, Names(), NOW, {}, 90)
    assert spec(move, "EscalationPolicy", "e")["steps"][0]["targets"] == [{"responder": "ada"}, {"responder": "bob"}]
    assert spec(move, "Team", "t")["managers"] == ["bob"]
    schedule = spec(move, "Schedule", "s")
    assert schedule["layers"][0]["rotation"]["participants"] == [{"nobody": True}, {"escalation_policy": "e"}, {"team": "t"}]
    assert [("responder" in each, each["layer"]) for each in schedule["overrides"]] == [(False, "r")]


def test_the_key_is_sent_to_no_other_address():
    api = Api("https://a.test", {}, beside="https://b.test")
    for url in ("https://c.test/x", "https://a.test.evil.test/x", "https://b.testing/x"):
        with pytest.raises(ImportFailed, match="the key is not sent there"):
            api.get(url)


def test_pagerduty_keeps_its_keys_layers_and_timeouts():
    move = imported("pagerduty")
    schedule = spec(move, "Schedule", "core")
    assert schedule["combine"] == "TOP_WINS"
    assert [layer["name"] for layer in schedule["layers"]] == ["office", "always"]
    policy = spec(move, "EscalationPolicy", "core")
    assert [step["delay"] for step in policy["steps"]] == ["600s", "900s"]
    assert policy["steps"][1]["selection"] == "ROUND_ROBIN"
    assert policy["acknowledge_timeouts"] == [{"after": "1800s"}]
    assert move.imported.keys == {"api-events": "a1b2c3d4e5f60718293a4b5c6d7e8f90"}
    assert spec(move, "Responder", "ada")["time_zone"] == "America/New_York"


def test_grafana_oncall_keeps_levels_waits_and_tokens():
    move = imported("grafana-oncall")
    schedule = spec(move, "Schedule", "berlin")
    assert schedule["combine"] == "LEVEL"
    assert [layer["level"] for layer in schedule["layers"]] == [2, 1]
    assert [step["delay"] for step in spec(move, "EscalationPolicy", "usual")["steps"]] == ["300s", "300s"]
    assert move.imported.keys == {"grafana": "mReAoNwDm0eMwKo1mTeTwYo"}
    assert any("notify_by_slack" in each.what for each in move.imported.lost)


def test_a_difference_is_found_and_named():
    make, key = SYSTEMS["opsgenie"]
    with make(NOW) as there:
        there.name, there.key = "opsgenie", key
        archive = archive_of(there)
    archive["schedules"][0]["rotations"][0]["participants"].reverse()
    move = moving.understand("opsgenie", archive, Names(), NOW, {}, 90)
    [coming] = move.coming
    assert coming.share < 1.0
    assert {difference.kind for difference in coming.differences} <= {"other", "override"}
    assert not is_clean(move.coming)


def test_a_rotation_by_elapsed_time_is_recognised_by_what_was_rendered():
    """Every 24 hours that pass, not every day: after clocks change the handoff is an hour off, and so it stays here."""
    anchor = datetime(2026, 3, 2, 14, tzinfo=UTC)
    periods = []
    for turn in range(150, 330):
        start = anchor + turn * timedelta(hours=24)
        who = {"id": ("u1", "u2")[turn % 2], "type": "user"}
        periods.append({"startDate": start.isoformat(), "endDate": (start + timedelta(hours=24)).isoformat(), "flattenedRecipients": [who]})
    archive = {
        "users": [{"id": "u1", "username": "a@x.org"}, {"id": "u2", "username": "b@x.org"}],
        "schedules": [
            {
                "id": "s1",
                "name": "S",
                "timezone": "America/New_York",
                "rotations": [
                    {
                        "id": "r1",
                        "type": "hourly",
                        "length": 24,
                        "startDate": anchor.isoformat(),
                        "participants": [{"type": "user", "id": "u1"}, {"type": "user", "id": "u2"}],
                    }
                ],
                "timeline": {"rotations": [{"id": "r1", "periods": periods}]},
            }
        ],
    }
    move = moving.understand("opsgenie", archive, Names(), NOW, {}, 90)
    assert [each.share for each in move.coming] == [1.0]
    assert spec(move, "Schedule", "s")["layers"][0]["rotation"]["boundary"] == "ELAPSED"


def test_names_stay_when_things_are_renamed_and_never_collide():
    names = Names()
    assert names.of("Team", "1", "Züri Ops!") == "zuri-ops"
    assert names.of("Team", "2", "zuri ops") == "zuri-ops-2"
    again = Names(names.kept)
    assert again.of("Team", "1", "renamed") == "zuri-ops"
    assert again.of("Team", "3", "Zuri Ops") == "zuri-ops-3"
    assert slug("x" * 100) == "x" * 63
    assert slug("tocsin-watchdog") == "watchdog", "names of the platform's own are not taken"


def test_what_is_here_already_keeps_its_name_and_people_are_met_by_their_mailbox(tmp_path):
    here = tmp_path / "here.yaml"
    here.write_text(
        """\
apiVersion: tocsin/v1
kind: Integration
metadata: {name: prometheus-eu}
spec: {kind: alertmanager}
---
apiVersion: tocsin/v1
kind: Responder
metadata: {name: ada-l}
---
apiVersion: tocsin/v1
kind: ContactMethod
metadata: {name: ada-mail}
spec: {responder: ada-l, kind: EMAIL, address: Ada@Example.org}
"""
    )
    names = Names()
    moving.heed(names, configuration.load(here))
    move = imported("opsgenie", names)
    assert spec(move, "Integration", "prometheus-eu-2")["kind"] == "opsgenie"
    assert spec(move, "Team", "payments-ledger")["members"] == ["ada-l", "bob"]


def test_windows_of_every_shape():
    hour = timedelta(hours=1)
    assert restrictions.window(None, 22 * hour, 8 * hour) == {"start": "22:00", "end": "06:00"}
    assert restrictions.window(0, 9 * hour, 8 * hour) == {"days": ["MON"], "start": "09:00", "end": "17:00"}
    assert restrictions.window(4, 18 * hour, 62 * hour) == {"days": ["FRI"], "start": "18:00", "end": "08:00", "end_day": "MON"}
    assert restrictions.window(6, 22 * hour, 8 * hour) == {"days": ["SUN"], "start": "22:00", "end": "06:00"}
    assert restrictions.window(None, timedelta(0), 24 * hour) is None
    assert restrictions.window(2, timedelta(0), 24 * hour) == {"days": ["WED"], "start": "00:00", "end": "24:00"}
    assert restrictions.between(4, 18 * hour, 0, 8 * hour) == {"days": ["FRI"], "start": "18:00", "end": "08:00", "end_day": "MON"}


def test_saved_answers_are_read_with_and_without_their_envelopes(tmp_path):
    (tmp_path / "users.json").write_text(json.dumps({"data": [{"id": "u1", "username": "a@x.org"}]}))
    (tmp_path / "forwarding-rules.json").write_text("[]")
    assert folder.read(tmp_path) == {"users": [{"id": "u1", "username": "a@x.org"}], "forwarding_rules": []}
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ImportFailed, match=r"broken\.json"):
        folder.read(tmp_path)


def test_a_wrong_field_is_named(tmp_path, capsys):
    archive = {"schedules": [{"id": "s", "name": "Night", "timezone": "Mars/Olympus", "rotations": []}]}
    (tmp_path / "saved.json").write_text(json.dumps(archive))
    assert run(["import", "opsgenie", "--from", str(tmp_path / "saved.json"), "--out", str(tmp_path / "out")]) == 1
    assert "schedules/Night/timezone: 'Mars/Olympus' is no zone" in capsys.readouterr().err


def test_the_command_without_a_platform_writes_and_reports(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("TOCSIN_CONNECTION", "TOCSIN_GRPC"):
        monkeypatch.delenv(name, raising=False)
    with oncall_systems.opsgenie(datetime.now(UTC)) as there:
        monkeypatch.setenv("OPSGENIE_API_KEY", oncall_systems.GENIE_KEY.removeprefix("GenieKey "))
        assert run(["import", "opsgenie", "--url", there.url, "--save", "saved.json", "--out", "out"]) == 0
    said = capsys.readouterr().out
    assert "primary-ny: 100 %" in said
    assert "nothing was compared with what is there" in said
    assert "| primary-ny |" in (tmp_path / "out" / "report.md").read_text()
    assert run(["import", "opsgenie", "--from", "saved.json", "--out", "out"]) == 0


def a_turn_of_an_escalation(*rules, recipient):
    """An escalation has the only turn of the schedule "front"; Ada and Bob take turns in "back"."""
    users = [{"id": each, "username": f"{each}@x.org", "fullName": each.title()} for each in ("ada", "bob")]

    def schedule(name, *participants):
        rotation = {"id": f"r{name}", "name": "r", "type": "weekly", "startDate": "2026-11-02T09:00:00Z", "participants": participants}
        return {"id": name, "name": name, "timezone": "UTC", "rotations": [rotation]}

    back = [{"type": "user", "id": each, "username": f"{each}@x.org"} for each in ("ada", "bob")]
    period = {"startDate": "2026-11-09T09:00:00Z", "endDate": "2026-11-23T09:00:00Z", "recipient": {"type": "escalation", "id": "e"}}
    halves = [("2026-11-09T09:00:00Z", "2026-11-16T09:00:00Z", "bob"), ("2026-11-16T09:00:00Z", "2026-11-23T09:00:00Z", "ada")]
    periods = [
        {**period, "startDate": start, "endDate": end, "flattenedRecipients": [{"type": "user", "id": who}]} for start, end, who in halves
    ]
    front = schedule("front", {"type": "escalation", "id": "e", "name": "E"})
    front["timeline"] = {"finalTimeline": {"rotations": [{"id": "rfront", "periods": periods}]}}
    first = {"delay": {"timeAmount": 0}, "recipient": {"type": "schedule", "id": recipient}}
    return {
        "users": users,
        "schedules": [front, schedule("back", *back)],
        "escalations": [{"id": "e", "name": "E", "rules": [first, *rules]}],
    }


def test_a_turn_of_an_escalation_is_replayed_as_whom_its_first_rule_asks():
    later = {"delay": {"timeAmount": 5, "timeUnit": "minutes"}, "recipient": {"type": "user", "id": "bob", "username": "bob@x.org"}}
    move = moving.understand("opsgenie", a_turn_of_an_escalation(later, recipient="back"), Names(), NOW, {}, 90)
    assert spec(move, "Schedule", "front")["layers"][0]["rotation"]["participants"] == [{"escalation_policy": "e"}]
    compared = [each for each in (*move.past, *move.coming) if each.schedule == "front"]
    assert compared and all(each.share == 1.0 for each in compared)
    assert not [each for each in move.imported.lost if "turn" in each.instead]


def test_an_escalation_that_leads_back_to_its_schedule_gets_no_turn():
    move = moving.understand("opsgenie", a_turn_of_an_escalation(recipient="front"), Names(), NOW, {}, 90)
    assert spec(move, "Schedule", "front")["layers"][0]["rotation"]["participants"] == [{"nobody": True}]
    [lost] = [each for each in move.imported.lost if each.instead == "a turn of nobody"]
    assert "leads back to itself" in lost.what
