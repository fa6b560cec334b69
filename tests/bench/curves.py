"""Detection curves as an SVG: panels side by side, each with two curves over the strength of a source."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Points = Sequence[tuple[float, float]]

WIDTH, HEIGHT, LEFT, TOP = 400, 260, 48, 44
INNER_W, INNER_H = 330, 160
OWN, RIVAL = "#0b4f7d", "#8f1d14"


@dataclass(frozen=True)
class Panel:
    """One picture: points are (peak net counts per second, part found)."""

    title: str
    own_name: str
    own: Points
    rival_name: str
    rival: Points


def drawing(panels: Sequence[Panel]) -> str:
    """All panels, two in a row."""
    rows = (len(panels) + 1) // 2
    drawn = "".join(_panel(panel, (n % 2) * WIDTH, (n // 2) * HEIGHT) for n, panel in enumerate(panels))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * WIDTH} {rows * HEIGHT}" '
        'font-family="sans-serif" font-size="11" fill="#1c2227">\n<title>Part of the sources found, over their peak '
        f'net count rate</title>\n<rect width="100%" height="100%" fill="#fff"/>\n{drawn}</svg>\n'
    )


def _panel(panel: Panel, x: int, y: int) -> str:
    most = max(cps for cps, _ in panel.own)
    lines = [
        f'<g transform="translate({x + LEFT} {y + TOP})">',
        f'<text y="-24" font-weight="bold">{panel.title}</text>',
    ]
    for part in (0.0, 0.5, 0.9, 1.0):
        at = INNER_H * (1.0 - part)
        lines.append(f'<path d="M0 {at:.1f}H{INNER_W}" stroke="#c9ced3" stroke-width="1"/>')
        lines.append(f'<text x="-6" y="{at + 4:.1f}" text-anchor="end">{part:g}</text>')
    for tick in range(5):
        at, cps = INNER_W * tick / 4, most * tick / 4
        lines.append(f'<text x="{at:.1f}" y="{INNER_H + 16}" text-anchor="middle">{cps:g}</text>')
    lines.append(f'<text x="{INNER_W}" y="{INNER_H + 30}" text-anchor="end">peak net cps</text>')
    curves = ((panel.own_name, panel.own, OWN, ""), (panel.rival_name, panel.rival, RIVAL, ' stroke-dasharray="5 3"'))
    for number, (name, points, colour, dash) in enumerate(curves):
        path = " ".join(f"{cps / most * INNER_W:.1f},{INNER_H * (1.0 - part):.1f}" for cps, part in points)
        lines.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
        at = number * 120
        lines.append(f'<path d="M{at} -9h22" stroke="{colour}" stroke-width="2"{dash}/>')
        lines.append(f'<text x="{at + 27}" y="-5">{name}</text>')
    return "\n".join([*lines, "</g>\n"])
