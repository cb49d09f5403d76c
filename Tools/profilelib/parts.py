"""Whose work a sample is: from the names of its functions to a part of the kernel or a floor of the node."""
import re

# By the module that declares the function.
MODULES = {
    "ClarionLoop": "loop", "ClarionTransport": "transport", "ClarionEngine": "engine", "ClarionWire": "wire",
    "ClarionBytes": "bytes", "ClarionPusher": "protocol", "ClarionRealtimeJSON": "protocol", "ClarionEcho": "protocol",
    "ClarionServer": "server", "ClarionSettings": "server", "ClarionLog": "server", "clarion": "server",
}
# C of ours and of the libraries that one floor uses; the rest of C belongs to whoever called it.
C_PREFIXES = [
    ("cposix_", "loop"), ("curing_", "loop"), ("io_uring_", "loop"), ("__io_uring_", "loop"), ("_io_uring_", "loop"),
    ("ccrypto_", "protocol"), ("HMAC", "protocol"), ("EVP_", "protocol"), ("sha256_", "protocol")]
WAKE_UPS = re.compile(
    r"try_to_wake_up|ttwu_|wake_up|sock_def_readable|sock_def_write_space|ep_poll_callback|ep_autoremove_wake"
    r"|select_task_rq|enqueue_task|enqueue_entity|resched_curr|send_call_function|reschedule_ipi|io_poll_wake")
RECEIVING_SIDE = re.compile(
    r"__netif_receive_skb|net_rx_action|process_backlog|tcp_v[46]_rcv|tcp_v[46]_do_rcv|ip6?_rcv|do_softirq")
SENDING = re.compile(
    r"tcp_sendmsg|tcp_write_xmit|__tcp_transmit_skb|tcp_push|__ip_queue_xmit|inet6?_sendmsg|sock_sendmsg"
    r"|tcp_stream_alloc|sk_stream_|tcp_release_cb|lock_sock|release_sock")
READING = re.compile(r"tcp_recvmsg|inet6?_recvmsg|sock_recvmsg|tcp_cleanup_rbuf|skb_copy_datagram")
RING = re.compile(r"^_*io_(?!apic|sched)|io_uring|io_submit|io_issue|io_send|io_recv|io_req")
POLLING = re.compile(r"^(do_)?epoll|^ep_|epoll_wait|poll_schedule|hrtimer_|schedule_hrtimeout")
SLEEPING = re.compile(r"^(__)?schedule$|schedule_timeout|io_cqring_wait|finish_task_switch|dequeue_task|pick_next_task")

ORDER = [
    "kernel: tcp, sending", "kernel: tcp, the receiver's side", "kernel: tcp, reading", "kernel: wake-ups",
    "kernel: going to sleep", "kernel: io_uring", "kernel: epoll", "kernel: system call entry, other", "loop",
    "transport", "engine", "bytes", "wire", "protocol", "server", "libraries"]


class Frame:
    """One function on a stack."""

    def __init__(self, symbol, library):
        self.symbol = symbol
        self.library = library
        self.is_kernel = library.startswith(("[kernel", "[unknown kernel", "[vdso")) or library.endswith(".ko")


def module(symbol):
    """The module that a mangled Swift name begins with, or an empty text."""
    match = re.match(r"^\$[sS](\d+)", symbol)
    if not match:
        return ""
    start = match.end()
    return symbol[start:start + int(match.group(1))]


def part_of_code(frame):
    """The part of the node that a function outside the kernel belongs to, or None when it is nobody's own."""
    found = MODULES.get(module(frame.symbol))
    if found:
        return found
    for prefix, part in C_PREFIXES:
        if frame.symbol.startswith(prefix):
            return part
    return None


def part(stack):
    """The part that a sample counts for. `stack` has its innermost function first."""
    if not stack:
        return "libraries"
    if not stack[0].is_kernel:
        # memmove and the like are the work of whoever called them.
        return next((found for found in map(part_of_code, stack) if found), "libraries")
    names = [frame.symbol for frame in stack if frame.is_kernel]
    # The innermost function that says something decides: a wake-up happens inside the receiver's side, and that inside
    # a send.
    for pattern, name in [(WAKE_UPS, "wake-ups"), (RECEIVING_SIDE, "tcp, the receiver's side"),
                          (SENDING, "tcp, sending"), (READING, "tcp, reading"), (SLEEPING, "going to sleep"),
                          (RING, "io_uring"), (POLLING, "epoll")]:
        if any(pattern.search(symbol) for symbol in names):
            return f"kernel: {name}"
    return "kernel: system call entry, other"


def table(shares, total, unit):
    """Lines of a table of parts. `shares`: {part: samples}; `total`: what all of them are together, in `unit`."""
    whole = sum(shares.values()) or 1
    lines = [f"{'part':36} {'share':>7} {unit:>24}"]
    for name in [name for name in ORDER if shares.get(name)] + ["all"]:
        share = 1.0 if name == "all" else shares[name] / whole
        value = "" if total is None else f"{share * total:.4g}"
        lines.append(f"{name:36} {share * 100:6.1f}% {value:>24}")
    return lines
