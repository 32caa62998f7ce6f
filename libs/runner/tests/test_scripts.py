"""Scripts on this machine and at others: values are never part of them, and nothing of them outlives its step."""

import asyncio
import os
import time
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st
from runner_harness import until

from tocsin_runner.assignment import Assignment, Refused, State, Variable
from tocsin_runner.commands.local import bash
from tocsin_runner.commands.scripts import for_bash, for_powershell
from tocsin_runner.commands.ssh import Ssh
from tocsin_runner.secrets import Redactor, Secrets
from tocsin_runner.work import Work

HOSTILE = "$(touch /tmp/x); `id` 'a' \"b\" \n; rm -rf ~ \\"


async def run(work, command, variables=None, *, type="bash", seconds=20.0, key="key-1", **more):
    given = {name: Variable("string", value) for name, value in (variables or {}).items()}
    assignment = Assignment("a", 1, key, {"type": type, "command": command}, variables=given, seconds=seconds, **more)

    async def keep(prior):
        return prior

    return await work.carry_out(assignment, keep, lambda: True)


@pytest.fixture
def work():
    return Work({"bash": bash()}, Redactor())


async def test_a_script_brings_what_the_step_may_set(work):
    outcome = await run(work, """printf '{"pid": 7}'""", out_args=("__pid__", "__exit_code__", "__stdout__"))
    assert outcome.state is State.SUCCEEDED
    assert outcome.variables["__pid__"] == Variable("integer", "7")
    assert outcome.variables["__exit_code__"] == Variable("integer", "0")


async def test_values_stay_values(work):
    """An alert brings a host name that is a script: it arrives as it is, and nothing of it runs."""
    command = 'printf %s __host__:value; printf "|%s" "$TOCSIN_HOST"; printf "|at __host__:value"'
    outcome = await run(work, command, {"__host__": HOSTILE}, out_args=("__stdout__",))
    assert outcome.variables["__stdout__"].value == f"{HOSTILE}|{HOSTILE}|at {HOSTILE}"


@given(st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=60))
def test_no_value_is_ever_part_of_a_script(value):
    variables = {"__v__": Variable("string", value)}
    assert for_bash('x "__v__:value" __v__:value', variables) == 'x "${TOCSIN_V}" "${TOCSIN_V}"'
    assert for_powershell('x "__v__:value" __v__:value', variables) == 'x "$(${env:TOCSIN_V})" ${env:TOCSIN_V}'


def test_a_place_between_single_quotes_is_refused():
    with pytest.raises(Refused, match="double quotes"):
        for_bash("echo '__v__:value'", {"__v__": Variable("string", "x")})


async def test_nothing_of_the_runner_is_around_a_script(work, monkeypatch):
    monkeypatch.setenv("TOCSIN_SIGNING_KEY_FILE", "/keys/runner.jwk")
    outcome = await run(work, "env; ulimit -c; pwd", out_args=("__stdout__",))
    shown = outcome.variables["__stdout__"].value
    assert "/keys/runner.jwk" not in shown and str(Path.cwd()) not in shown
    assert "TOCSIN_IDEMPOTENCY_KEY=key-1" in shown


async def test_a_failing_script_says_why(work):
    outcome = await run(work, "echo no space >&2; exit 3")
    assert outcome.state is State.FAILED
    assert "exit status 3: no space" in outcome.explanation


async def test_a_script_and_its_children_end_with_its_time(work, tmp_path):
    """Even a child that does not listen to SIGTERM is gone within five seconds."""
    pids = tmp_path / "pids"
    script = f"(trap '' TERM; echo $BASHPID >> {pids}; sleep 60 & echo $! >> {pids}; wait; sleep 60) & echo $! >> {pids}; sleep 60"
    began = time.monotonic()
    outcome = await run(work, script, seconds=1.0)
    assert outcome.state is State.UNKNOWN
    assert time.monotonic() - began < 10
    await until(lambda: not any(alive(int(pid)) for pid in pids.read_text().split()), within=5.0)


def alive(pid):
    try:
        os.kill(pid, 0)
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False


async def test_whether_a_script_ran_cannot_be_looked_up(work):
    assert (await run(work, "true", look_first=True)).state is State.UNKNOWN


class Machine(asyncssh.SSHServer):
    """A real SSH server that runs scripts by the real shell, in a home of its own."""

    def begin_auth(self, username):
        return True

    def public_key_auth_supported(self):
        return True


@pytest.fixture
async def machine(tmp_path):
    home, secrets = tmp_path / "home", tmp_path / "secrets"
    home.mkdir()
    secrets.mkdir()
    host_key, client_key = asyncssh.generate_private_key("ssh-ed25519"), asyncssh.generate_private_key("ssh-ed25519")
    texts = {"HOST": host_key.export_public_key().decode(), "KEY": client_key.export_private_key().decode()}
    texts["OTHER"] = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    for name, text in texts.items():
        (secrets / name).write_text(text)
        (secrets / name).chmod(0o600)
    cut = []

    async def serve(process):
        shell = await asyncio.create_subprocess_exec(
            "sh", "-c", process.command, stdin=-1, stdout=-1, stderr=-1, env={"HOME": str(home), "PATH": os.defpath}
        )
        out, err = await shell.communicate((await process.stdin.read()).encode())
        if cut:
            cut.pop()
            process.channel.get_connection().abort()
            return
        process.stdout.write(out.decode())
        process.stderr.write(err.decode())
        process.exit(shell.returncode)

    keys = asyncssh.import_authorized_keys(client_key.export_public_key().decode())
    server = await asyncssh.listen("127.0.0.1", 0, server_host_keys=[host_key], authorized_client_keys=keys, process_factory=serve)
    names = dict.fromkeys(("HOST", "KEY", "OTHER"), frozenset({"127.0.0.1"}))
    work = Work({"ssh": Ssh(Secrets(secrets, names, Redactor()), frozenset({"127.0.0.1"}))}, Redactor())
    yield work, server.sockets[0].getsockname()[1], cut, home
    server.close()
    await server.wait_closed()


INFO = {"type": "user-auth", "username": "ops", "private_key": "secret:KEY", "host_key": "secret:HOST"}


async def at(machine, command, variables=None, *, info=INFO, **more):
    work, port, _, _ = machine
    target = {"type": "ssh", "address": {"ipv4": ["127.0.0.1"]}, "port": str(port)}
    return await run(work, command, variables, type="ssh", target=target, authentication=info, **more)


async def test_a_script_runs_at_another_machine(machine):
    outcome = await at(machine, 'printf %s "$TOCSIN_HOST"', {"__host__": HOSTILE}, out_args=("__stdout__",))
    assert outcome.state is State.SUCCEEDED, outcome
    assert outcome.variables["__stdout__"].value == HOSTILE


async def test_a_script_runs_once_however_often_it_is_sent(machine):
    """The line is cut after the script ran: nobody knows, and asking again brings what it wrote, without running it."""
    _, _, cut, home = machine
    cut.append(True)
    script = "echo ran >> $HOME/book; echo done"
    assert (await at(machine, script)).state is State.UNKNOWN
    again = await at(machine, script, look_first=True, out_args=("__stdout__",))
    assert again.state is State.SUCCEEDED
    assert again.variables["__stdout__"].value == "done"
    assert (home / "book").read_text() == "ran\n"
    await at(machine, script, key="key-2")
    assert (home / "book").read_text() == "ran\nran\n"


async def test_another_host_key_is_refused(machine):
    outcome = await at(machine, "touch $HOME/book", info={**INFO, "host_key": "secret:OTHER"})
    assert outcome.state is State.REJECTED and "pinned" in outcome.explanation
    assert not (machine[3] / "book").exists()


@pytest.mark.parametrize("missing", ["host_key", "private_key"])
async def test_a_machine_is_not_asked_without_its_key_and_ours(machine, missing):
    assert (await at(machine, "true", info={name: value for name, value in INFO.items() if name != missing})).state is State.REJECTED
