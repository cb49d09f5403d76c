"""PostgreSQL and Redis servers of Debian's packages, on free ports, for one session of tests."""

from __future__ import annotations

import glob
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

from .client import HOST, wait_until
from .node import free_port

PASSWORD = "database-password"


class Postgres:
    """A cluster in a temporary folder. Root may not run one, so it runs as `postgres` then."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="clarion-postgres-"))
        self.port = free_port()
        programs = sorted(glob.glob("/usr/lib/postgresql/*/bin"))
        assert programs, "PostgreSQL is not installed: Tools/setup installs it"
        self.programs = Path(programs[-1])
        self.user: int | None = None
        if os.geteuid() == 0:
            entry = pwd.getpwnam("postgres")
            self.user = entry.pw_uid
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
            os.chmod(self.folder, 0o700)
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        if self.user is not None:
            os.chown(secret, self.user, -1)
        data = self.folder / "data"
        self.run("initdb", "-D", str(data), "-U", "clarion", "-A", "scram-sha-256", f"--pwfile={secret}", "--no-sync", "-E", "UTF8")
        self.log = open(self.folder / "log", "wb")
        self.process = subprocess.Popen(
            [str(self.programs / "postgres"), "-D", str(data), "-p", str(self.port), "-h", HOST, "-k", "", "-F",
             "-c", "max_connections=20", "-c", "shared_buffers=16MB"],
            stdout=self.log, stderr=self.log, user=self.user, cwd="/", start_new_session=True)
        wait_until(self.answers, "PostgreSQL answers", 60)
        self.execute("CREATE DATABASE apps")

    def run(self, program: str, *arguments: str) -> str:
        return subprocess.run([str(self.programs / program), *arguments], user=self.user, cwd="/", check=True, text=True,
                              capture_output=True, timeout=120, env=os.environ | {"PGPASSWORD": PASSWORD, "LC_ALL": "C.UTF-8"}).stdout

    def answers(self) -> bool:
        assert self.process.poll() is None, (self.folder / "log").read_text()
        return subprocess.run([str(self.programs / "pg_isready"), "-h", HOST, "-p", str(self.port), "-q"], cwd="/").returncode == 0

    def execute(self, statement: str, database: str = "postgres") -> str:
        return self.run("psql", "-h", HOST, "-p", str(self.port), "-U", "clarion", "-d", database, "-Atc", statement)

    @property
    def url(self) -> str:
        return f"postgresql://clarion:{PASSWORD}@{HOST}:{self.port}/apps"

    def signal_all(self, number: int) -> None:
        """Signals the server and its processes, each of which leads a session of its own."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        for process in [self.process.pid, *map(int, children)]:
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass

    def pause(self) -> None:
        """Stops the whole server, so that it accepts connections and answers nothing."""
        self.signal_all(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal_all(signal.SIGCONT)

    def empty(self) -> None:
        self.execute("DROP TABLE IF EXISTS clarion_apps", "apps")

    def close(self) -> None:
        self.resume()
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(30)
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Redis:
    """A server that keeps nothing on disk and asks for a password."""

    def __init__(self) -> None:
        self.port = free_port()
        program = shutil.which("redis-server")
        assert program, "Redis is not installed: Tools/setup installs it"
        self.process = subprocess.Popen(
            [program, "--port", str(self.port), "--bind", HOST, "--save", "", "--appendonly", "no", "--requirepass", PASSWORD],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", start_new_session=True)
        wait_until(self.answers, "Redis answers", 30)

    def answers(self) -> bool:
        try:
            return self.command("PING") == "+PONG"
        except OSError:
            return False

    def command(self, *words: str) -> str:
        """The first line of an answer."""
        with socket.create_connection((HOST, self.port), 5) as connection:
            for request in (["AUTH", PASSWORD], list(words)):
                connection.sendall(f"*{len(request)}\r\n".encode() + b"".join(b"$%d\r\n%s\r\n" % (len(w.encode()), w.encode()) for w in request))
                line = b""
                while not line.endswith(b"\r\n"):
                    got = connection.recv(1)
                    if not got:
                        raise OSError("the server ended the connection")
                    line += got
            return line.decode().strip()

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@{HOST}:{self.port}/2"

    def pause(self) -> None:
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)

    def empty(self) -> None:
        self.command("FLUSHALL")

    def close(self) -> None:
        self.resume()
        self.process.terminate()
        self.process.wait(30)


class SQLite:
    """A file."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="clarion-sqlite-"))

    @property
    def url(self) -> str:
        return f"sqlite:{self.folder / 'apps.sqlite'}"

    def empty(self) -> None:
        for file in self.folder.iterdir():
            file.unlink()

    def close(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
