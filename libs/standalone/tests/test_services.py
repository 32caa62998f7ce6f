"""What a service is told: its own secrets, the operator's wishes, and nothing else."""

import json
from collections.abc import Mapping
from pathlib import Path

from tocsin_standalone import keys, runner, services
from tocsin_standalone.home import Home
from tocsin_standalone.services import SERVICES, Surroundings


def around(tmp_path: Path, operator: Mapping[str, str], demo: bool = False) -> Surroundings:
    made = keys.load_or_create(tmp_path, SERVICES, SERVICES, (runner.RUNNER,))
    return Surroundings(Home.at(tmp_path), made, services.choose_ports(0, demo), operator)


def test_no_service_learns_the_password_of_another(tmp_path: Path) -> None:
    surroundings = around(tmp_path, {})
    for service in SERVICES:
        told = " ".join(services.environment(service, surroundings).values())
        for other in SERVICES:
            known = surroundings.keys.postgres[other] in told or surroundings.keys.nats[other] in told
            assert known == (other == service)
        assert surroundings.keys.postgres_superuser not in told
        assert surroundings.keys.admin_api_key not in told


def test_the_operators_environment_stays_outside_but_for_what_is_meant_for_the_platform(tmp_path: Path) -> None:
    operator = {"PATH": "/bin", "TZ": "Asia/Tokyo", "AWS_SECRET_ACCESS_KEY": "x", "TOCSIN_SMTP_URL": "smtp://mail", "TOCSIN_LOG_LEVEL": ""}
    told = services.environment("communication", around(tmp_path, operator))
    assert (told["PATH"], told["TZ"], told["TOCSIN_SMTP_URL"]) == ("/bin", "Asia/Tokyo", "smtp://mail")
    assert "AWS_SECRET_ACCESS_KEY" not in told
    assert "TOCSIN_LOG_LEVEL" not in told


def test_what_is_said_of_a_channel_reaches_communication_alone(tmp_path: Path) -> None:
    surroundings = around(tmp_path, {"TOCSIN_SLACK_TOKEN_FILE": "/run/secrets/slack", "TOCSIN_DISCORD_PUBLIC_KEY": ""})
    assert services.environment("communication", surroundings)["TOCSIN_SLACK_TOKEN_FILE"] == "/run/secrets/slack"
    assert "TOCSIN_DISCORD_PUBLIC_KEY" not in services.environment("communication", surroundings)
    assert "TOCSIN_SLACK_TOKEN_FILE" not in services.environment("triage", surroundings)


def test_the_demo_keeps_mail_at_home(tmp_path: Path) -> None:
    surroundings = around(tmp_path, {"TOCSIN_SMTP_URL": "smtp://mail"}, demo=True)
    assert (
        services.environment("communication", surroundings)["TOCSIN_SMTP_URL"]
        == f"smtp://127.0.0.1:{surroundings.ports.smtp}?starttls=never"
    )


def test_spans_go_to_the_edge_with_its_key(tmp_path: Path) -> None:
    surroundings = around(tmp_path, {})
    told = services.environment("triage", surroundings)
    assert told["OTEL_EXPORTER_OTLP_ENDPOINT"] == surroundings.ports.console
    assert told["OTEL_EXPORTER_OTLP_HEADERS"] == f"authorization=Bearer%20{surroundings.keys.span_key}"
    assert services.environment("edge", surroundings)["TOCSIN_SPAN_KEY_FILE"] == str(surroundings.keys.span_key_file)


def test_spans_go_to_the_operators_collector_and_the_receiver_is_off(tmp_path: Path) -> None:
    collector = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318", "OTEL_EXPORTER_OTLP_HEADERS": "x=y"}
    surroundings = around(tmp_path, collector)
    told = services.environment("edge", surroundings)
    assert collector.items() <= told.items()
    assert told["TOCSIN_SPAN_KEY_FILE"] == ""
    assert surroundings.keys.span_key not in " ".join(told.values())


def test_the_runner_knows_response_its_own_key_and_its_secrets_and_no_password_of_the_platform(tmp_path: Path) -> None:
    surroundings = around(tmp_path, {"TOCSIN_RUNNER_LOCAL_COMMANDS": "bash", "TOCSIN_SMTP_URL": "smtp://mail"})
    told = runner.environment(surroundings)
    assert told["TOCSIN_RUNNER_RESPONSE"] == surroundings.ports.grpc_of("response")
    assert told["TOCSIN_SIGNING_KEY_FILE"].endswith("signing-runner.jwk")
    assert told["TOCSIN_RUNNER_LOCAL_COMMANDS"] == "bash"
    said = " ".join(told.values())
    keys = surroundings.keys
    secrets = (*keys.postgres.values(), *keys.nats.values(), keys.postgres_superuser, keys.admin_api_key, keys.span_key)
    assert not any(secret in said for secret in secrets)
    assert not {"TOCSIN_POSTGRES_URL", "TOCSIN_NATS_URL", "TOCSIN_SMTP_URL"} & told.keys()
    trusted = json.loads(keys.trusted_keys_file.read_text())["keys"]
    assert runner.RUNNER in {key["kid"] for key in trusted}
