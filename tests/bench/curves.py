"""Curves as an SVG: detection over the strength of a source, and charts with axes of any kind, side by side."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
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


# --- charts ------------------------------------------------------------------------------------------------------

# Told apart without colours too: by dashes, and by how dark they are.
INK = (
    ("#0b4f7d", ""),
    ("#c2410c", ' stroke-dasharray="7 3"'),
    ("#6b7680", ' stroke-dasharray="2 3"'),
    ("#1c2227", ' stroke-dasharray="9 3 2 3"'),
)
CHART_W, CHART_LEFT, CHART_TOP = 440, 62, 46
PLOT_W, PLOT_H, KEY = 350, 190, 17


@dataclass(frozen=True)
class Curve:
    """Points (across, up) with what they are; `joined` by a line, else drawn as dots."""

    name: str
    points: Points
    joined: bool = True


@dataclass(frozen=True)
class Chart:
    """One picture. Axes go from the first to the second number; a logarithmic one from above 0.

    Attributes:
        marks: values across and the word that stands above each one's line.
        levels: values up and the word that stands below each one's line, at the left.
    """

    title: str
    curves: Sequence[Curve]
    across: tuple[float, float]
    up: tuple[float, float]
    across_ticks: Sequence[float]
    up_ticks: Sequence[float]
    across_name: str
    across_log: bool = False
    up_log: bool = False
    marks: Sequence[tuple[float, str]] = ()
    levels: Sequence[tuple[float, str]] = ()

    def x(self, value: float) -> float:
        """Where it lies across, in the picture's units."""
        return PLOT_W * _part(value, self.across, log=self.across_log)

    def y(self, value: float) -> float:
        """Where it lies from above."""
        return PLOT_H * (1.0 - _part(value, self.up, log=self.up_log))


def _part(value: float, ends: tuple[float, float], *, log: bool) -> float:
    least, most = map(math.log, ends) if log else ends
    place = math.log(max(value, ends[0])) if log else value
    return min(max((place - least) / (most - least), 0.0), 1.0)


def charts(title: str, shown: Sequence[Chart]) -> str:
    """Charts side by side, each with its key below."""
    height = CHART_TOP + PLOT_H + 44 + KEY * max(len(each.curves) for each in shown)
    drawn = "\n".join(
        f'<g transform="translate({place * CHART_W + CHART_LEFT} {CHART_TOP})">' + "\n".join(_chart(each)) + "</g>"
        for place, each in enumerate(shown)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {CHART_W * len(shown)} {height}" '
        f'font-family="sans-serif" font-size="12" fill="#1c2227">\n<title>{title}</title>\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{drawn}\n</svg>\n'
    )


def _chart(chart: Chart) -> Iterator[str]:
    yield f'<text y="-26" font-weight="bold">{chart.title}</text>'
    for value in chart.up_ticks:
        at = chart.y(value)
        yield f'<path d="M0 {at:.1f}H{PLOT_W}" stroke="#c9ced3"/>'
        yield f'<text x="-6" y="{at + 4:.1f}" text-anchor="end">{_told(value)}</text>'
    for value in chart.across_ticks:
        at = chart.x(value)
        yield f'<path d="M{at:.1f} {PLOT_H}v4" stroke="#1c2227"/>'
        yield f'<text x="{at:.1f}" y="{PLOT_H + 17}" text-anchor="middle">{_told(value)}</text>'
    yield f'<text x="{PLOT_W}" y="{PLOT_H + 33}" text-anchor="end">{chart.across_name}</text>'
    for place, (value, word) in enumerate(chart.marks):
        at = chart.x(value)
        anchor = "middle" if len(chart.marks) == 1 else "start" if place else "end"  # two may stand close together
        yield f'<path d="M{at:.1f} -4V{PLOT_H}" stroke="#1c2227" stroke-dasharray="3 3"/>'
        yield f'<text x="{at:.1f}" y="-9" text-anchor="{anchor}">{word}</text>'
    for value, word in chart.levels:
        at = chart.y(value)
        yield f'<path d="M0 {at:.1f}H{PLOT_W}" stroke="#1c2227" stroke-dasharray="3 3"/>'
        yield f'<text x="5" y="{at + 13:.1f}">{word}</text>'
    for place, (curve, (colour, dash)) in enumerate(zip(chart.curves, INK, strict=False)):
        yield _line_or_dots(chart, curve, colour, dash)
        yield _key(curve, PLOT_H + 36 + KEY * (place + 1), colour, dash)


def _line_or_dots(chart: Chart, curve: Curve, colour: str, dash: str) -> str:
    places = [(chart.x(across), chart.y(up)) for across, up in curve.points]
    if curve.joined:
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>'
    return "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>' for x, y in places)


def _key(curve: Curve, y: float, colour: str, dash: str) -> str:
    sign = f'<path d="M0 {y - 4:.1f}h26" stroke="{colour}" stroke-width="2"{dash}/>'
    if not curve.joined:
        sign = f'<circle cx="13" cy="{y - 4:.1f}" r="3.5" fill="{colour}"/>'
    return f'{sign}<text x="33" y="{y:.1f}">{curve.name}</text>'


def _told(value: float) -> str:
    text = f"{value:.5f}".rstrip("0") if 0.0 < value < 1e-4 else f"{value:g}"
    return text.replace("-", "\u2212")
