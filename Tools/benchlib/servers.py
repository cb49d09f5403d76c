"""Who is asked: how each server is prepared, started, and spoken to. What cannot be had is left out and said."""
import ctypes
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PEERS = ROOT / "Benchmarks" / "peers"
BUILT = ROOT / ".build" / "bench-peers"
VENV = ROOT / ".venv-bench"
RELEASE = ROOT / ".build" / "release"
SOCKETIFY = "socketify==0.0.31"
GO_SOURCES = "/usr/share/gocode"
NCHAN_MODULE = "/usr/lib/nginx/modules/ngx_nchan_module.so"

# How hub_load speaks the JSON protocol of clarion and of the peers here.
JSON_WORDS = ["--hello", '{"action":"subscribe","channel":"c%d"}']
NATS_WORDS = [
    "--nats", "--subscribe-path", "/", "--publish-path", "/", "--hello", 'CONNECT {"verbose":false}\\nSUB c%d 1\\n',
    "--publish-hello", 'CONNECT {"verbose":false}\\n', "--head", "PUB c%d %n\\n", "--tail", "\\n"]
NCHAN_WORDS = ["--subscribe-path", "/sub?id=c%d"]
# Where a publish goes over HTTP, and as what.
HTTP_WORDS = {
    "clarion": [*JSON_WORDS, "--publish-path", "/internal/broadcast", "--head", "channel=c0&message=",
                "--type", "application/x-www-form-urlencoded"],
    "gorilla": [*JSON_WORDS, "--publish-path", "/publish/c0"],
    "node": [*JSON_WORDS, "--publish-path", "/publish/c0"],
    "nchan": [*NCHAN_WORDS, "--publish-path", "/pub?id=c0"],
}


def note(text):
    print(f"bench: {text}", file=sys.stderr, flush=True)


class Server:
    """A server that can be started: its name, version, command for a port, what it adds to the environment."""

    def __init__(self, name, version, command, environment=None):
        self.name, self.version, self.command, self.environment = name, version, command, environment or {}

    def tls_flags(self):
        """What makes it speak TLS, with a certificate made for the purpose."""
        certificate, key = BUILT / "bench.pem", BUILT / "bench.key"
        if not key.exists():
            BUILT.mkdir(parents=True, exist_ok=True)
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-days", "3650", "-subj", "/CN=localhost", "-keyout", key, "-out", certificate],
                           check=True, stderr=subprocess.DEVNULL)
        if self.name.startswith("clarion"):
            return ["--tls-cert", str(certificate), "--tls-key", str(key), "--limits-handshakes-per-second", "100000"]
        return [str(certificate), str(key)]

    def words(self, shape):
        """What hub_load must be told to speak to this server."""
        if shape.kind == "http":
            return ["--publish", "http", *HTTP_WORDS[self.name.split("-")[0]]]
        if self.name == "nats":
            return NATS_WORDS
        # A WebSocket of a publisher belongs to one channel there.
        return [*NCHAN_WORDS, "--publish-path", "/pub?id=c%d" if shape.channels > 1 else "/pub?id=c0"]


def first_line(*command):
    try:
        run = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except OSError:
        return ""
    return run.stdout.strip().split("\n")[0]


def package_version(name):
    """The version of an installed Debian package, or an empty text."""
    if shutil.which("dpkg-query") is None:
        return ""
    return subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", name], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        text=True).stdout.strip()


def compiled(name, source, *libraries):
    """The path of a C program, compiled anew; None when that is impossible."""
    compiler = shutil.which("cc") or shutil.which("clang")
    BUILT.mkdir(parents=True, exist_ok=True)
    binary = BUILT / name
    if compiler is None or subprocess.run([compiler, "-O2", "-o", binary, PEERS / source, *libraries]).returncode != 0:
        note(f"{name} is left out: it could not be compiled")
        return None
    return binary


def prepare_uws():
    """The uWebSockets peer, installing socketify when it is not there."""
    try:
        ctypes.CDLL("libuv.so.1")
    except OSError:
        return note("uws is left out: Debian's libuv1 is missing (apt-get install libuv1)")
    python = VENV / "bin" / "python"
    if not python.exists() or subprocess.run([python, "-c", "import socketify"], capture_output=True).returncode != 0:
        note(f"installing {SOCKETIFY} into {VENV.name}")
        steps = [[sys.executable, "-m", "venv", VENV], [python, "-m", "pip", "install", "--quiet", SOCKETIFY]]
        for step in steps:
            if subprocess.run(step).returncode != 0:
                return note("uws is left out: the installation failed (see above; Debian needs python3-venv)")
    return Server("uws", f"uWebSockets of {SOCKETIFY.replace('==', ' ')}",
                  lambda port, workers, folder: [str(python), str(PEERS / "uws_socketify.py"), str(port)])


def prepare_node():
    modules = "/usr/share/nodejs"
    node = shutil.which("node") or shutil.which("nodejs")
    if node is None or not os.path.isdir(f"{modules}/ws"):
        return note("node is left out: Node or Debian's node-ws is missing (apt-get install nodejs node-ws)")
    version = f"Node {first_line(node, '--version').lstrip('v')}, ws {package_version('node-ws')}"
    return Server("node", version, lambda port, workers, folder: [node, str(PEERS / "ws_node.js"), str(port)],
                  {"NODE_PATH": modules})


def prepare_gorilla():
    go = shutil.which("go")
    if go is None or not os.path.isdir(f"{GO_SOURCES}/src/github.com/gorilla/websocket"):
        return note("gorilla is left out: Go or gorilla/websocket is missing "
                    "(apt-get install golang-go golang-github-gorilla-websocket-dev)")
    BUILT.mkdir(parents=True, exist_ok=True)
    binary = BUILT / "gorilla_hub"
    # Debian's sources, no network.
    environment = {**os.environ, "GO111MODULE": "off", "GOFLAGS": "", "GOPATH": GO_SOURCES,
                   "GOCACHE": str(BUILT / "go-cache")}
    if subprocess.run([go, "build", "-o", binary, PEERS / "gorilla_hub.go"], env=environment).returncode != 0:
        return note("gorilla is left out: it could not be compiled")
    version = f"gorilla/websocket {package_version('golang-github-gorilla-websocket-dev')}, {first_line(go, 'version')}"
    return Server("gorilla", version, lambda port, workers, folder: [str(binary), str(port)])


def filled_in(source, folder, port):
    """A configuration of a peer with its port and folder in it."""
    text = (PEERS / source).read_text().replace("@PORT@", str(port)).replace("@FOLDER@", str(folder))
    path = pathlib.Path(folder) / source
    path.write_text(text)
    return str(path)


def prepare_nchan():
    nginx = shutil.which("nginx") or ("/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else None)
    if nginx is None or not os.path.exists(NCHAN_MODULE):
        return note("nchan is left out: nginx or its module is missing "
                    "(apt-get install libnginx-mod-nchan nginx-light)")
    version = f"nchan {package_version('libnginx-mod-nchan')}, {first_line(nginx, '-v')}"
    return Server("nchan", version, lambda port, workers, folder: [
        nginx, "-p", str(folder), "-c", filled_in("nchan.conf", folder, port)])


def prepare_nats():
    nats = shutil.which("nats-server") or (
        "/usr/sbin/nats-server" if os.path.exists("/usr/sbin/nats-server") else None)
    if nats is None:
        return note("nats is left out: its server is missing (apt-get install nats-server)")
    return Server("nats", first_line(nats, "--version"), lambda port, workers, folder: [
        nats, "-c", filled_in("nats.conf", folder, port), "-l", f"{folder}/nats.log"])


def prepare_bare(backend, libraries):
    binary = compiled(f"bare_{backend}", f"bare_{backend}.c", *libraries)
    return binary and Server(
        f"bare-{backend}", "a bare loop in C", lambda port, workers, folder: [str(binary), str(port)])


def prepare_clarion(backend):
    binary = RELEASE / "clarion"
    if not binary.exists():
        return note(f"clarion-{backend} is left out: {binary.relative_to(ROOT)} is not built (make release)")
    return Server(
        f"clarion-{backend}", first_line(str(binary), "--version") or "clarion", lambda port, workers, folder: [
            str(binary), "start", "--host", "127.0.0.1", "--port", str(port), "--workers", str(workers),
            "--backend", backend, "--realtime-publish", "--realtime-max-message-bytes", "65536",
            "--realtime-allow-without-secret", "--echo"],
        {"REVERB_APP_ACCEPT_CLIENT_EVENTS_FROM": "all"})


MAKERS = {
    "uws": prepare_uws,
    "clarion-uring": lambda: prepare_clarion("uring"),
    "clarion-epoll": lambda: prepare_clarion("epoll"),
    "bare-uring": lambda: prepare_bare("uring", ["-luring", "-lcrypto"]),
    "bare-epoll": lambda: prepare_bare("epoll", ["-lcrypto"]),
    "node": prepare_node,
    "gorilla": prepare_gorilla,
    "nchan": prepare_nchan,
    "nats": prepare_nats,
}


def prepare(prefixes):
    """The servers that can be started, in the order in which they take turns."""
    makers = [maker for name, maker in MAKERS.items() if any(name.startswith(prefix) for prefix in prefixes)]
    return [server for server in (maker() for maker in makers) if server]
