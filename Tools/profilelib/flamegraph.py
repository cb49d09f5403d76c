"""A flame graph as one SVG: a box for each function, as wide as its share, standing on the function that called it.

Colours say whose a function is. A click on a box makes it as wide as the picture, a click on the lowest brings all
back.
"""
import html

WIDTH, ROW, TOP, MARGIN, LETTER = 1200, 18, 64, 10, 6.7
NARROWEST = 0.3
COLOURS = {
    "kernel": "#e8a15c", "loop": "#6aa9d8", "transport": "#74c2c6", "engine": "#5b7fd6", "bytes": "#8f9fd9",
    "wire": "#7dbb6b", "protocol": "#b07fc7", "server": "#d98aa8", "libraries": "#b9b9b9", "all": "#dcdcdc"}

SCRIPT = """
const svg = document.documentElement, boxes = [...svg.querySelectorAll('g.b')];
const left = %(margin)d, width = %(width)d;
function fit(box) {
  const text = box.querySelector('text'), room = Math.floor((box.w - 6) / %(letter)s), name = box.dataset.n;
  text.textContent = room < 3 ? '' : name.length <= room ? name : name.slice(0, room - 1) + '…';
}
function show(x, w) {
  for (const box of boxes) {
    const from = Math.max(+box.dataset.x, x), to = Math.min(+box.dataset.x + +box.dataset.w, x + w);
    const isSeen = to - from > 0;
    box.style.display = isSeen ? '' : 'none';
    if (!isSeen) continue;
    box.w = (to - from) / w * width;
    const at = left + (from - x) / w * width;
    box.querySelector('rect').setAttribute('x', at);
    box.querySelector('rect').setAttribute('width', Math.max(box.w - 0.5, 0.2));
    box.querySelector('text').setAttribute('x', at + 3);
    fit(box);
  }
}
for (const box of boxes) box.addEventListener('click', () => show(+box.dataset.x, +box.dataset.w));
"""


class Node:
    def __init__(self, owner, name):
        self.owner, self.name, self.value, self.children = owner, name, 0, {}

    def add(self, frames, value):
        self.value += value
        node = self
        for owner, name in frames:
            node = node.children.setdefault((owner, name), Node(owner, name))
            node.value += value


def depth(node):
    return 1 + max((depth(child) for child in node.children.values()), default=0)


def boxes(node, x, level, scale, found):
    """(x, level, width, node) of everything that is wide enough to be seen."""
    width = node.value * scale
    if width < NARROWEST:
        return
    found.append((x, level, width, node))
    # The widest first: what matters stands on the left.
    for child in sorted(node.children.values(), key=lambda child: -child.value):
        boxes(child, x, level + 1, scale, found)
        x += child.value * scale


def draw(lines, title, subtitle, unit):
    """The SVG. `lines`: {((owner, function), …outermost first): value}."""
    root = Node("all", "all")
    for frames, value in lines.items():
        root.add(frames, value)
    inner = WIDTH - 2 * MARGIN
    found = []
    boxes(root, 0.0, 0, inner / max(root.value, 1), found)
    rows = max((level for _, level, _, _ in found), default=0) + 1
    height = TOP + rows * ROW + 44
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        'font-family="DejaVu Sans Mono, Menlo, monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#fbfbf9"/>',
        f'<text x="{MARGIN}" y="24" font-size="17" font-weight="bold" fill="#222">{html.escape(title)}</text>',
        f'<text x="{MARGIN}" y="44" fill="#555">{html.escape(subtitle)}</text>']
    for x, level, width, node in found:
        y = TOP + (rows - 1 - level) * ROW
        share = 100 * node.value / max(root.value, 1)
        room = int((width - 6) / LETTER)
        text = "" if room < 3 else node.name if len(node.name) <= room else node.name[:room - 1] + "…"
        name = html.escape(node.name, quote=True)
        out.append(
            f'<g class="b" data-n="{name}" data-x="{x:.2f}" data-w="{width:.2f}"><title>{name}\n{node.owner}: '
            f'{share:.2f} % ({node.value:,} {unit})</title><rect x="{MARGIN + x:.2f}" y="{y}" '
            f'width="{max(width - 0.5, 0.2):.2f}" height="{ROW - 1}" rx="1.5" '
            f'fill="{COLOURS.get(node.owner.split(":")[0], "#b9b9b9")}"/><text x="{MARGIN + x + 3:.2f}" '
            f'y="{y + 12.5}" fill="#1c1c1c" pointer-events="none">{html.escape(text)}</text></g>')
    x = MARGIN
    owners = {node.owner.split(":")[0] for _, _, _, node in found}
    for owner, colour in COLOURS.items():
        if owner in owners and owner != "all":
            out.append(f'<rect x="{x}" y="{height - 26}" width="12" height="12" rx="2" fill="{colour}"/>'
                       f'<text x="{x + 17}" y="{height - 16}" fill="#333">{owner}</text>')
            x += 36 + len(owner) * 7
    script = SCRIPT % {"margin": MARGIN, "width": inner, "letter": LETTER}
    out += [f"<script><![CDATA[{script}]]></script>", "</svg>", ""]
    return "\n".join(out)
