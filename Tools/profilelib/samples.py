"""What was recorded: stacks from `perf script`, or functions and their own cost from callgrind."""
import collections
import re
import subprocess

from profilelib.parts import Frame, part

STACK_LINE = re.compile(r"^\s+([0-9a-f]+) (.*) \((.*)\)$")


def demangled(symbols):
    """{mangled name: readable name} for Swift's names; others stay as they are."""
    swift = sorted({symbol for symbol in symbols if symbol.startswith(("$s", "$S"))})
    if not swift:
        return {}
    run = subprocess.run(
        ["swift", "demangle", "--compact"], input="\n".join(swift) + "\n", stdout=subprocess.PIPE,
        text=True)
    lines = run.stdout.splitlines()
    return dict(zip(swift, lines)) if len(lines) == len(swift) else {}


def short(name):
    """A readable name that fits a box: without modules, types of arguments and the marks of the optimiser."""
    name = re.sub(r"^(?:(?:partial apply|merged|@objc|function signature specialization|generic specialization) )+", "",
                  re.sub(r" ?<[^<>]*(?:<[^<>]*>[^<>]*)*> (?=of )", " ", name))
    name = re.sub(r"^(?:of |for )+", "", name.strip())
    name = re.sub(r"\(extension in \w+\):", "", name)
    name = re.sub(r"< where [^>]*>|\((\w+) in _[0-9A-F]+\)", r"\1", name)
    name = re.sub(r"\((?:[^()]|\([^()]*\))*\)(?: (?:async )?(?:throws(?:\([^)]*\))? )?-> .*)?$", "", name)
    return re.sub(r"\b(?:Clarion\w+|Swift|Synchronization)\.", "", name) or "?"


def parse_perf(text):
    """The stacks of `perf script`, innermost function first."""
    stacks, current = [], None
    for line in text.split("\n"):
        match = STACK_LINE.match(line)
        if match:
            if current is not None:
                symbol = re.sub(r"\+0x[0-9a-f]+$", "", match.group(2))
                current.append(Frame(symbol, match.group(3)))
        elif line.strip():
            if current:
                stacks.append(current)
            current = []
        elif current:
            stacks.append(current)
            current = None
    if current:
        stacks.append(current)
    return stacks


def parse_callgrind(text):
    """Functions and their own cost: {(function, object): instructions}. Calls are left to those who are called."""
    names, objects = {}, {}

    def resolved(table, value):
        match = re.match(r"\((\d+)\)(?: (.*))?$", value)
        if not match:
            return value
        if match.group(2) is not None:
            table[match.group(1)] = match.group(2)
        return table.get(match.group(1), "?")

    costs = collections.Counter()
    function, library, skips = "?", "?", False
    for line in text.split("\n"):
        if line.startswith("fn="):
            function = resolved(names, line[3:])
        elif line.startswith("ob="):
            library = resolved(objects, line[3:])
        elif line.startswith("cfn=") or line.startswith("cfni="):
            resolved(names, line.split("=", 1)[1])
        elif line.startswith("cob="):
            resolved(objects, line[4:])
        elif line.startswith("calls="):
            # The next line is the cost of what was called.
            skips = True
        elif re.match(r"^[+*\-\d]", line):
            fields = line.split()
            if not skips and len(fields) > 1:
                costs[(function, library)] += int(fields[1])
            skips = False
    return costs


def folded(stacks):
    """{(part; outermost function; …; innermost): samples} and {part: samples}."""
    readable = demangled(frame.symbol for stack in stacks for frame in stack)
    lines, shares = collections.Counter(), collections.Counter()
    for stack in stacks:
        whose = part(stack)
        shares[whose] += 1
        frames = [("kernel" if frame.is_kernel else part([frame]), short(readable.get(frame.symbol, frame.symbol)))
                  for frame in reversed(stack)]
        lines[tuple(frames)] += 1
    return lines, shares


def folded_costs(costs):
    """The same for callgrind's costs, which know no stacks: part, then function."""
    readable = demangled(function for function, _ in costs)
    lines, shares = collections.Counter(), collections.Counter()
    for (function, library), cost in costs.items():
        whose = part([Frame(function, library)])
        shares[whose] += cost
        lines[((whose, whose), (whose, short(readable.get(function, function))))] += cost
    return lines, shares
