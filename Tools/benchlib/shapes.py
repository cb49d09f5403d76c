"""What is asked: the shapes of load, and the commands that make them."""

CLARION_AND_UWS = ("clarion", "uws")
# Servers that speak a protocol of their own; hub_load speaks it, and only these kinds of load.
FOREIGN_KINDS = {"nats": ("fanout", "rooms"), "nchan": ("fanout", "rooms", "http")}
# Publishing over HTTP is asked of servers whose HTTP side is their own.
HTTP_SERVERS = ("clarion", "gorilla", "node", "nchan")
BUSY_KINDS = ("echo", "fanout", "rooms", "http")


class Shape:
    """One question: the load, who is asked (name prefixes; empty: all), and with how many workers.

    `kind` is echo, fanout, rooms (fan-out in many channels), http (published over HTTP) or idle. `rate_of` names the
    shape whose half is the rate of an open loop. `deflate`: subscribers offer permessage-deflate, texts look like JSON.
    """

    def __init__(self, key, title, kind, connections, window=1, size=64, channels=1, burst=False, protocol="json",
                 asked=(), workers=1, both_processors=False, rate_of=None,
                 tls=False, deflate=False):
        self.key, self.title, self.kind = key, title, kind
        self.connections, self.window, self.size, self.channels = connections, window, size, channels
        self.burst, self.protocol, self.asked, self.workers = burst, protocol, asked, workers
        self.both_processors, self.rate_of, self.tls, self.deflate = both_processors, rate_of, tls, deflate

    def asks(self, server):
        if self.asked and not any(server.startswith(prefix) for prefix in self.asked):
            return False
        if server in FOREIGN_KINDS:
            plain = not self.burst and self.rate_of is None and self.protocol == "json"
            return plain and self.kind in FOREIGN_KINDS[server]
        if self.kind == "http":
            return server.startswith(HTTP_SERVERS)
        # The bare loops know one channel, and one protocol.
        return not (server.startswith("bare") and (self.channels > 1 or self.protocol != "json"))

    def path(self):
        return {"echo": "/echo", "pusher": "/app/app-key"}.get(
            "echo" if self.kind == "echo" else self.protocol, "/ws")

    def wsbench(self, rate=None):
        """Arguments of wsbench, all but where the server is and how long to measure."""
        if self.kind == "idle":
            return ["idle", "--connections", str(self.connections)]
        arguments = ["echo" if self.kind == "echo" else "fanout", "--connections", str(self.connections)]
        arguments += ["--rate", f"{rate:.0f}"] if rate else ["--window", str(self.window)]
        if self.size != 64:
            arguments += ["--size", str(self.size)]
        if self.channels > 1:
            arguments += ["--channels", str(self.channels)]
        if self.burst:
            arguments.append("--burst")
        if self.protocol != "json":
            arguments += ["--protocol", self.protocol]
        if self.deflate:
            arguments += ["--deflate", "on"]
        return arguments

    def hub_load(self):
        """The same for hub_load; the server's own words are added by whoever knows them."""
        return ["--subscribers", str(self.connections), "--channels", str(self.channels), "--window", str(self.window),
                "--size", str(self.size)]

    def patience(self):
        """How many times longer than others it is measured: where one window is hundreds of megabytes, or a thousand
        channels are each waited for, a usual time would see too few messages."""
        return 3 if self.connections * self.window * self.size >= 100 << 20 or self.channels > 100 else 1

    def uses_hub_load(self, server):
        return self.kind == "http" or server in FOREIGN_KINDS


def number(value):
    return f"{value:,}".replace(",", " ")


def size_text(size):
    return f"{size} B" if size < 1024 else f"{size >> 10} KB"


USUAL = [
    Shape("1k-w1", "1 000 subscribers, 1 in flight", "fanout", 1000, 1),
    Shape("1k-w16", "1 000 subscribers, 16 in flight", "fanout", 1000, 16),
    Shape("1k-w64", "1 000 subscribers, 64 in flight", "fanout", 1000, 64),
    Shape("1k-b64", "1 000 subscribers, bursts of 64", "fanout", 1000, 64, burst=True),
    Shape("5k-w16", "5 000 subscribers, 16 in flight", "fanout", 5000, 16),
    Shape("100-w16", "100 subscribers, 16 in flight", "fanout", 100, 16, asked=CLARION_AND_UWS),
    Shape("10k-w16", "10 000 subscribers, 16 in flight", "fanout", 10000, 16, asked=CLARION_AND_UWS),
    Shape("pusher-w16", "Pusher protocol, 1 000 subscribers, 16 in flight", "fanout", 1000, 16, protocol="pusher",
          asked=CLARION_AND_UWS),
    *(Shape(f"{key}-w{window}", f"{name}, 1 000 subscribers that offer compression, {window} in flight, 512 B",
            "fanout", 1000, window, 512, protocol=protocol, asked=CLARION_AND_UWS, deflate=True)
      for key, name, protocol in (("deflate", "JSON", "json"), ("deflate-pusher", "Pusher protocol", "pusher"))
      for window in (1, 16)),
    Shape("workers1", "1 worker, both processors allowed, 1 000 × 16", "fanout", 1000, 16, asked=("clarion",),
          both_processors=True),
    Shape("workers2", "2 workers, both processors allowed, 1 000 × 16", "fanout", 1000, 16, asked=("clarion",),
          workers=2, both_processors=True),
    Shape("tls-w1", "TLS 1.3, 1 000 subscribers, 1 in flight", "fanout", 1000, 1, asked=CLARION_AND_UWS, tls=True),
    Shape("tls-w16", "TLS 1.3, 1 000 subscribers, 16 in flight", "fanout", 1000, 16, asked=CLARION_AND_UWS, tls=True),
    Shape("tls-idle", "TLS 1.3, 10 000 idle subscribers", "idle", 10000, asked=CLARION_AND_UWS, tls=True),
    Shape("rate-low", "open loop at half of what uws does with 1 in flight", "fanout", 1000, asked=CLARION_AND_UWS,
          rate_of="1k-w1"),
    Shape("rate-high", "open loop at half of what uws does with 16 in flight", "fanout", 1000, asked=CLARION_AND_UWS,
          rate_of="1k-w16"),
    Shape("echo", "echo, 100 connections, 1 in flight", "echo", 100),
    Shape("idle", "10 000 idle subscribers", "idle", 10000),
]
QUICK = ["1k-w1", "1k-w16", "1k-w64", "idle"]

PEERS = [
    *(Shape(f"echo-{size}", f"echo, 100 connections, 1 in flight, {size_text(size)}", "echo", 100, size=size)
      for size in (64, 4096)),
    *(Shape(f"fan-{count}-w{window}-{size}",
            f"{number(count)} subscribers, {window} in flight, {size_text(size)}", "fanout", count, window, size)
      for count in (100, 1000, 10000) for window in (1, 16) for size in (64, 1024, 16384)),
    Shape("rooms", "rooms, 1 000 × 10 subscribers, 1 in flight each, 64 B", "rooms", 10000, channels=1000),
    Shape("http", "published over HTTP, 10 subscribers, 1 in flight, 64 B", "http", 10),
]
SETS = {"usual": USUAL, "peers": PEERS}
# What the project asks of itself: (shape, of, at most, what it says); both sides are medians of CPU per delivery.
GROWTH = [
    ("10k-w16", "100-w16", 1.15, "10 000 subscribers ÷ 100"),
    ("pusher-w16", "1k-w16", 1.10, "Pusher protocol ÷ JSON"),
    ("workers2", "workers1", 1.05, "2 workers ÷ 1"),
]
