"""Charts with axes: Altair specifications turned into SVG by vl-convert.

Determinism: data values are given inline (no hashed data names), the axis counts months (no dates, so no time zone),
and the global clip-path counter of the renderer is renumbered per chart. Every chart is 340 px wide so that it fits a
375 px screen one to one: narrow screens stack charts, they do not shrink them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import altair as alt
import vl_convert as vlc

from segment_signals.review import words
from segment_signals.review.words import MONTHS, Period

WIDTH = 340
INK, GREY, RULE = "#1d1d1b", "#565656", "#d8d8d4"
LINE, BAND = "#17606c", "#bcd7db"
UP, DOWN = "#1f5c99", "#a5500d"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', Arial, sans-serif"
# A colour used for nothing else: replaced after rendering by the hatch that the page defines once.
HATCH = "#fefdfb"


@dataclass(frozen=True)
class Point:
    """One period of a trend; value None where held back."""

    period: Period
    value: float | None
    low: float | None
    high: float | None
    is_reportable: bool
    held: str  # the words for why it is held back, '' where published


def ceiling(values: Sequence[float]) -> float:
    """The next number above the largest value whose quarters are round, so that ticks read well."""
    largest = max(values, default=0.0)
    if largest <= 0:
        return 1.0
    power = 10.0 ** int(f"{largest:e}".split("e")[1])
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10) if step * power >= largest * 0.9999)


def trend_svg(points: Sequence[Point], *, top: float, unit: str, label: str, prefix: str, height: int = 150) -> str:
    """A line with its interval band from 0 to `top`; periods that are held back are hatched and named.

    `unit` is 'rate' or a currency code; `label` is what a screen reader says; `prefix` keeps ids unique on the page.
    """
    ordered = sorted(points, key=lambda point: point.period.index)
    first, last = ordered[0].period.index, ordered[-1].period.index + ordered[-1].period.months
    rows: list[dict[str, Any]] = []
    run = 0
    for point in ordered:
        if point.value is None:
            run += 1  # a gap starts a new line: nothing is drawn across what is held back
            continue
        rows.append(
            {
                "x": point.period.index + point.period.months / 2,
                "y": point.value,
                "low": point.value if point.low is None else point.low,
                "high": point.value if point.high is None else min(point.high, top),
                "run": run,
                "solid": point.is_reportable,
            }
        )
    held = [
        {"x": start, "x2": end, "y": 0, "y2": top, "text": text, "mid": (start + end) / 2, "at": top * 0.93}
        for start, end, text in _held_runs(ordered)
    ]
    x_scale, x_axis = alt.Scale(domain=[first, last], nice=False, zero=False), _month_axis(first, last)
    y_scale = alt.Scale(domain=[0, top], nice=False)
    y_axis = alt.Axis(values=[top * part / 4 for part in range(5)], labelExpr=_tick_labels(top, unit), title=None)

    # Layers share their axes only where all of them state the same scale and axis.
    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=x_scale, axis=x_axis)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=y_scale, axis=y_axis)

    room = WIDTH * 0.85 / max(last - first, 1)
    base = alt.Chart(_inline(rows))
    holes = alt.Chart(_inline(held))
    fits = f"(datum.x2 - datum.x) * {room} >= 7 * length(datum.text)"
    layers = [
        holes.mark_rect(fill=HATCH, stroke=GREY, strokeDash=[3, 3], strokeWidth=0.7).encode(
            x=x("x"), x2="x2:Q", y=y("y"), y2="y2:Q"
        ),
        base.mark_area(color=BAND).encode(x=x("x"), y=y("low"), y2="high:Q", detail="run:N"),
        base.mark_line(color=LINE, strokeWidth=1.5).encode(x=x("x"), y=y("y"), detail="run:N"),
        base.mark_point(filled=True, size=22, opacity=1, strokeWidth=1.3, stroke=LINE).encode(
            x=x("x"), y=y("y"), fill=alt.condition("datum.solid", alt.value(LINE), alt.value("#ffffff"))
        ),
        holes.transform_filter(fits).mark_text(color=INK, fontSize=12).encode(x=x("mid"), y=y("at"), text="text:N"),
        holes.transform_filter(f"!({fits})")
        .mark_text(color=INK, fontSize=12, angle=270, align="right")
        .encode(x=x("mid"), y=y("at"), text="text:N"),
    ]
    alone = [row for row in rows if sum(other["run"] == row["run"] for other in rows) == 1]
    if alone:  # a lone published period has no area: its interval is a bar
        bars = alt.Chart(_inline(alone)).mark_rule(color=BAND, strokeWidth=4)
        layers.insert(1, bars.encode(x=x("x"), y=y("low"), y2="high:Q"))
    return _svg(alt.layer(*layers), label=label, prefix=prefix, height=height)


def waterfall_svg(
    steps: Sequence[tuple[str, float]],
    *,
    before: tuple[str, float],
    now: str,
    currency: str,
    label: str,
    prefix: str,
    height: int = 170,
    intervals: Sequence[tuple[float, float] | None] = (),
    neutral: Sequence[str] = (),
) -> str:
    """From a value through signed contributions to their sum, top to bottom.

    `before` is (name, value), `steps` are (name, contribution), `now` names the sum; values in one currency.
    `intervals` are those of the contributions, drawn as thin bars; steps named in `neutral` carry no colour of change.
    """
    name, level = before
    rows: list[dict[str, Any]] = [
        {"name": name, "from": 0.0, "to": level, "fill": GREY, "text": words.money(level, currency)}
    ]
    for place, (name, effect) in enumerate(steps):
        fill = LINE if name in neutral else UP if effect > 0 else DOWN if effect < 0 else GREY
        text = words.difference(effect, currency, effect)
        rows.append({"name": name, "from": level, "to": level + effect, "fill": fill, "text": text})
        interval = intervals[place] if place < len(intervals) else None
        if interval is not None:
            rows[-1] |= {"low": max(level + interval[0], 0.0), "high": level + interval[1]}
        level += effect
    rows.append({"name": now, "from": 0.0, "to": level, "fill": GREY, "text": words.money(level, currency)})
    for row in rows:
        row["right"] = max(row["from"], row["to"], row.get("high", 0.0))
    top = ceiling([row["right"] for row in rows])
    base = alt.Chart(_inline(rows)).encode(
        y=alt.Y(
            "name:N",
            sort=None,
            axis=alt.Axis(title=None, ticks=False, domain=False, labelPadding=6, labelLimit=130),
        )
    )
    # A third of the width is kept free for the words to the right of a bar.
    scale = alt.Scale(domain=[0, top * 1.35], nice=False)
    axis = alt.Axis(values=[0, top / 2, top], labelExpr=_tick_labels(top, currency, parts=2), title=None, grid=True)
    bars = base.mark_bar(size=13).encode(
        x=alt.X("from:Q", scale=scale, axis=axis), x2="to:Q", fill=alt.Fill("fill:N", scale=None, legend=None)
    )
    text = base.mark_text(dx=5, align="left", fontSize=12, color=INK).encode(
        x=alt.X("right:Q", scale=scale, axis=axis), text="text:N"
    )
    layers: list[alt.Chart] = [bars, text]
    if any("low" in row for row in rows):
        whiskers = (
            alt.Chart(_inline([row for row in rows if "low" in row]))
            .mark_rule(color=INK, strokeWidth=1)
            .encode(y=base.encoding.y, x=alt.X("low:Q", scale=scale, axis=axis), x2="high:Q")
        )
        layers.insert(1, whiskers)
    return _svg(alt.layer(*layers), label=label, prefix=prefix, height=height)


def range_svg(
    bars: Sequence[tuple[str, float, float | None, float | None]],
    *,
    top: float,
    currency: str,
    hollow: bool,
    label: str,
    prefix: str,
) -> str:
    """Values one below the other from 0 to `top`: (name, value, low, high), with a bar where there is a range.

    A dot has a range, a diamond is a single number; a hollow dot is directional.
    """
    rows = [
        {"name": name, "value": value, "low": low, "high": high, "right": value if high is None else high,
         "text": words.money(value, currency)}
        for name, value, low, high in bars
    ]  # fmt: skip
    ranges = [row for row in rows if row["low"] is not None and row["high"] is not None]
    points = [row for row in rows if row["low"] is None or row["high"] is None]
    y = alt.Y(
        "name:N",
        sort=[name for name, _, _, _ in bars],
        axis=alt.Axis(title=None, ticks=False, domain=False, labelPadding=6, labelLimit=130),
    )
    scale = alt.Scale(domain=[0, top * 1.35], nice=False)
    axis = alt.Axis(values=[0, top / 2, top], labelExpr=_tick_labels(top, currency, parts=2), title=None, grid=True)

    def x(field: str) -> alt.X:
        return alt.X(f"{field}:Q", scale=scale, axis=axis)

    layers = [
        alt.Chart(_inline(ranges)).mark_rule(color=BAND, strokeWidth=8).encode(y=y, x=x("low"), x2="high:Q"),
        alt.Chart(_inline(ranges))
        .mark_point(filled=True, size=50, opacity=1, stroke=LINE, strokeWidth=1.4, fill="#ffffff" if hollow else LINE)
        .encode(y=y, x=x("value")),
        alt.Chart(_inline(points))
        .mark_point(filled=True, shape="diamond", size=60, opacity=1, fill=GREY)
        .encode(y=y, x=x("value")),
        alt.Chart(_inline(rows))
        .mark_text(dx=8, align="left", fontSize=12, color=INK)
        .encode(y=y, x=x("right"), text="text:N"),
    ]
    return _svg(alt.layer(*layers), label=label, prefix=prefix, height=40 + 26 * len(rows))


def backtest_svg(
    origins: Sequence[tuple[date, float, float, float, float, bool]],
    *,
    currency: str,
    label: str,
    prefix: str,
    height: int = 170,
) -> str:
    """Earlier forecasts by their date: a bar from P10 to P90, a line at P50, a dot for what came.

    `origins` are (date, P10, P50, P90, actual, is the actual in the range). A dot outside its bar is an orange diamond.
    """
    rows = [
        {"x": day.year * 12 + day.month - 1 + (day.day - 1) / 31, "low": low, "mid": mid, "high": high, "came": came}
        for day, low, mid, high, came, _ in origins
    ]
    first, last = int(min(row["x"] for row in rows)), int(max(row["x"] for row in rows)) + 1
    top = ceiling([max(row["high"], row["came"]) for row in rows])
    # A month before and after, so that bars at the ends are whole.
    x_scale, x_axis = alt.Scale(domain=[first, last + 0.5], nice=False, zero=False), _month_axis(first, last)
    y_scale = alt.Scale(domain=[0, top], nice=False)
    y_axis = alt.Axis(values=[top * part / 4 for part in range(5)], labelExpr=_tick_labels(top, currency), title=None)

    def x() -> alt.X:
        return alt.X("x:Q", scale=x_scale, axis=x_axis)

    def y(field: str) -> alt.Y:
        return alt.Y(f"{field}:Q", scale=y_scale, axis=y_axis)

    base = alt.Chart(_inline(rows))
    inside = [row for row, origin in zip(rows, origins, strict=True) if origin[5]]
    outside = [row for row, origin in zip(rows, origins, strict=True) if not origin[5]]
    layers = [
        base.mark_rule(color=BAND, strokeWidth=10).encode(x=x(), y=y("low"), y2="high:Q"),
        base.mark_tick(orient="horizontal", color=LINE, thickness=2, size=10).encode(x=x(), y=y("mid")),
        alt.Chart(_inline(inside)).mark_point(filled=True, size=34, opacity=1, fill=INK).encode(x=x(), y=y("came")),
        alt.Chart(_inline(outside))
        .mark_point(shape="diamond", size=60, opacity=1, fill="#ffffff", stroke=DOWN, strokeWidth=1.8)
        .encode(x=x(), y=y("came")),
    ]
    return _svg(alt.layer(*layers), label=label, prefix=prefix, height=height)


def _inline(rows: list[dict[str, Any]]) -> alt.InlineData:
    return alt.InlineData(values=rows)


def _held_runs(ordered: Sequence[Point]) -> list[tuple[int, int, str]]:
    """Neighbouring periods that are held back for the same reason, as (from, to, words)."""
    runs: list[tuple[int, int, str]] = []
    for point in ordered:
        if point.value is not None:
            continue
        start, end = point.period.index, point.period.index + point.period.months
        if runs and runs[-1][1] == start and runs[-1][2] == point.held:
            runs[-1] = (runs[-1][0], end, point.held)
        else:
            runs.append((start, end, point.held))
    return runs


def _month_axis(first: int, last: int) -> alt.Axis:
    """Years where the axis is long, else quarters by their first month."""
    if last - first >= 18:
        ticks = [month for month in range(first, last + 1) if month % 12 == 0]
        labels = {month: str(month // 12) for month in ticks}
    else:
        step = 3 if last - first > 8 else 1
        ticks = list(range(first, last, step))
        labels = {month: MONTHS[month % 12] for month in ticks}
        labels.update({month: f"{MONTHS[month % 12]} {month // 12}" for month in ticks[:1]})
    return alt.Axis(values=ticks, labelExpr=_lookup(labels), title=None, grid=False, tickSize=5, labelFlush=False)


def _tick_labels(top: float, unit: str, parts: int = 4) -> str:
    """Labels of the ticks at 0, 1/parts, ... of `top`. Rates without their sign: the title says percent."""
    ticks = [top * part / parts for part in range(parts + 1)]
    if unit == "rate":
        decimals = 0 if all(abs(tick * 100 - round(tick * 100)) < 1e-9 for tick in ticks) else 1
        texts = [words.percent(tick, decimals) for tick in ticks]
    else:
        texts = [words.money(tick, unit, short=True) for tick in ticks]
    # Compared by position, not by value: floating-point ticks need no exact match.
    return f"{texts!r}[round(datum.value / {top!r} * {parts})]".replace(words.NBSP, " ")


def _lookup(labels: dict[int, str]) -> str:
    pairs = ", ".join(f"'{key}': '{text}'" for key, text in labels.items())
    return f"{{{pairs}}}[datum.value] || ''"


def _svg(chart: alt.LayerChart | alt.FacetChart, *, label: str, prefix: str, height: int) -> str:
    sized = chart.properties(width=WIDTH, height=height, autosize=alt.AutoSizeParams(type="fit", contains="padding"))
    spec = sized.to_dict(validate=False)  # a schema check of every mark costs more than the drawing
    spec["config"] = {
        "aria": False,
        "background": None,
        "font": FONT,
        "padding": {"left": 12, "right": 8, "top": 8, "bottom": 2},
        "view": {"stroke": None},
        "axis": {
            "labelColor": GREY,
            "labelFontSize": 12,
            "gridColor": RULE,
            "domain": False,
            "ticks": False,
            "labelFont": FONT,
            "labelPadding": 5,
        },
        "axisX": {"domain": True, "ticks": True, "domainColor": GREY, "tickColor": GREY},
    }
    return tidy_svg(vlc.vegalite_to_svg(spec), label=label, prefix=prefix)


def tidy_svg(svg: str, *, label: str, prefix: str) -> str:
    """One accessible picture: stable ids, the hatch put in, long decimals cut, no attributes that say nothing."""
    order = {name: f"{prefix}-{place}" for place, name in enumerate(dict.fromkeys(re.findall(r'\bid="([^"]+)"', svg)))}
    svg = re.sub(r'\bid="([^"]+)"', lambda found: f'id="{order[found[1]]}"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", lambda found: f"url(#{order.get(found[1], found[1])})", svg)
    svg = svg.replace(f'fill="{HATCH}"', 'fill="url(#hatch)"')
    svg = re.sub(r"(\d+\.\d{2})\d+", r"\1", svg)
    svg = re.sub(
        r' (?:class|pointer-events|xmlns:xlink|version|aria-hidden|stroke-miterlimit|aria-roledescription)="[^"]*"',
        "",
        svg,
    )
    svg = re.sub(r' font-family="[^"]*"| role="[^"]*"', "", svg)
    svg = re.sub(r'<path d=""[^>]*/>|<path d="M0,0h0v0h0Z"[^>]*/>|<path[^>]*display="none"[^>]*/>', "", svg)
    svg = re.sub(r"<g></g>|<g><rect[^>]*fill=\"transparent\"[^>]*/></g>", "", svg)
    escaped = label.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return svg.replace("<svg ", f'<svg class="chart" role="img" aria-label="{escaped}" ', 1)
