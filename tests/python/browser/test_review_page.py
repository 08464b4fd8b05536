"""The review page in a real browser: quiet, keyboard, address, narrow screens, no script, print."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="pip install -e '.[browser]'")

pytestmark = pytest.mark.browser
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def unit_tests(name: str) -> ModuleType:
    """The unit tests of the page hold the builders of synthetic tables; test folders are no packages."""
    path = Path(__file__).parents[1] / "unit" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"{name}_of_the_browser", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def held_back(frame: Any) -> Any:
    """The table with every cell suppressed; without rows where it has no evidence."""
    if "evidence" not in frame.columns:
        return frame.iloc[:0]
    return frame.assign(evidence="suppressed", evidence_reason="incomplete_data", caveat="Losses have no amount")


@pytest.fixture(scope="session")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Name -> file address of a rendered page."""
    from segment_signals.review import render_review

    builder, pipeline = unit_tests("test_review"), unit_tests("test_review_pipeline").pipeline_tables()
    folder = tmp_path_factory.mktemp("pages")
    tables = {"demo": builder.published_tables(), "maven": builder.maven_tables(), "empty": builder.empty_tables()}
    # The demo with a pipeline, and with one in which everything is held back.
    tables["pipeline"] = {**tables["demo"], **pipeline}
    tables["held"] = {**tables["demo"], **{name: held_back(frame) for name, frame in pipeline.items()}}
    made = {}
    for name, frames in tables.items():
        path = folder / f"{name}.html"
        path.write_text(render_review(frames, dataset=name), encoding="utf-8")
        made[name] = path.as_uri()
    return made


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        # The sandbox needs privileges that a container does not give.
        instance = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield instance
        instance.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that fails its test on console errors, script errors and requests other than the file itself."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    opened = context.new_page()
    trouble: list[str] = []
    opened.on("console", lambda message: trouble.append(message.text) if message.type in ("error", "warning") else None)
    opened.on("pageerror", lambda error: trouble.append(str(error)))
    opened.on(
        "request", lambda request: None if request.url.startswith(("file:", "data:")) else trouble.append(request.url)
    )
    yield opened
    context.close()
    assert trouble == []


def rows(page: Any, block: str) -> list[str]:
    """Inner HTML of the rows of a block's table, as the document holds them now."""
    found: list[str] = page.eval_on_selector_all(f"{block} tbody tr", "rows => rows.map(row => row.innerHTML)")
    return found


def chosen(page: Any) -> dict[str, str]:
    """The values of the four choices."""
    return {name: page.input_value(f"#pick-{name}") for name in ("dimension", "segment", "period", "evidence")}


@pytest.mark.parametrize("name", ["demo", "maven", "empty", "pipeline", "held"])
def test_opens_without_errors_or_requests(page: Any, addresses: dict[str, str], name: str) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(addresses[name])
    assert [url for url in requests if not url.startswith("data:")] == [addresses[name]]
    assert page.inner_text("h1") == name


def test_opens_in_under_a_second(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"])
    loaded = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert 0 < loaded < 1000


@pytest.mark.parametrize("name", ["demo", "maven", "empty", "pipeline", "held"])
@pytest.mark.parametrize("width", [375, 768, 1280])
def test_the_page_never_scrolls_sideways(page: Any, addresses: dict[str, str], name: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto(addresses[name])
    page.evaluate("document.querySelectorAll('details').forEach(item => { item.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_charts_are_not_shrunk_on_a_narrow_screen(page: Any, addresses: dict[str, str]) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(addresses["demo"])
    widths = page.eval_on_selector_all(
        "svg.chart", "charts => charts.map(chart => chart.getBoundingClientRect().width)"
    )
    assert len(widths) >= 9
    assert min(widths) >= 335


def test_the_headline_table_fits_a_wide_screen(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"])
    for selector in ("#headline .scroll", ".block.dots .scroll", ".block.heat .scroll"):
        boxes = page.eval_on_selector_all(
            f"{selector}:not(details *)", "boxes => boxes.map(box => [box.scrollWidth, box.clientWidth])"
        )
        assert boxes
        assert all(content <= room + 1 for content, room in boxes), selector


@pytest.mark.parametrize("name", ["demo", "maven", "pipeline"])
def test_the_script_redraws_exactly_what_was_printed(page: Any, addresses: dict[str, str], name: str) -> None:
    page.goto(addresses[name])
    heat, dots = rows(page, ".block.heat"), rows(page, ".block.dots")
    page.select_option("#pick-period", index=2)
    assert rows(page, ".block.heat") != heat
    assert rows(page, ".block.dots") != dots
    page.select_option("#pick-period", "")
    assert rows(page, ".block.heat") == heat
    assert rows(page, ".block.dots") == dots


def test_another_period_shows_its_own_values_and_sentence(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"] + "#dimension=region&period=2024-10-quarter")
    data = page.evaluate("JSON.parse(document.getElementById('data').textContent)")
    region = next(item for item in data["dimensions"] if item["code"] == "region")
    period = [item[0] for item in data["periods"]].index("2024-10-quarter")
    cell = region["cells"][region["segments"].index("EMEA")][0][period]
    shown = page.inner_text(".block.heat[data-dimension=region] tr[data-segment=EMEA] td.h >> nth=0")
    assert shown == f"{cell[5] / 10_000:.1f}"
    assert page.inner_text(".block.dots[data-dimension=region] .finding").startswith(
        "4 of 4 segments can be read in 2024\u00a0Q4, from "
    )
    assert "2024\u00a0Q4" in page.inner_text(".block.dots[data-dimension=region] .measure")


def test_keys_reach_every_choice_and_escape_resets(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"])
    for key, name in (("d", "dimension"), ("p", "period"), ("e", "evidence")):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.id") == f"pick-{name}"
        page.keyboard.press("ArrowDown")
        page.evaluate("document.activeElement.blur()")
    page.keyboard.press("s")
    assert page.evaluate("document.activeElement.id") == "pick-segment"
    page.keyboard.press("ArrowDown")
    now = chosen(page)
    assert all(now.values())
    for name, value in now.items():
        assert f"{name}=" in page.url
        assert value.split()[0] in page.url
    page.keyboard.press("Escape")
    assert set(chosen(page).values()) == {""}
    assert page.url.endswith("#")


def test_the_address_keeps_the_choice(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"] + "#dimension=region&segment=EMEA&evidence=reportable")
    assert chosen(page) == {"dimension": "region", "segment": "EMEA", "period": "", "evidence": "reportable"}
    assert page.locator("article.block:visible").count() == 2
    assert page.locator(".block.heat tr.chosen th").inner_text() == "EMEA"
    assert "EMEA (Region) by quarter" in page.inner_text("#sheet")
    page.reload()
    assert chosen(page)["segment"] == "EMEA"


def test_a_link_to_a_definition_keeps_the_choice(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"] + "#dimension=region&segment=EMEA")
    page.click(".block.heat[data-dimension=region] h3 a")
    assert page.url.endswith("#def-dimension-region")
    assert chosen(page)["segment"] == "EMEA"
    page.go_back()
    assert chosen(page)["segment"] == "EMEA"


def test_an_address_that_names_nothing_known_is_ignored(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"] + "#dimension=%3Cscript%3E&segment=x&period=1900-01&evidence=none")
    assert set(chosen(page).values()) == {""}
    assert page.locator("article.block:visible").count() == 14


def test_a_click_on_a_segment_chooses_it(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"])
    page.click(".block.dots[data-dimension=lead_source] tr[data-segment=Referral] th")
    assert chosen(page)["segment"] == "Referral"
    assert "dimension=lead_source&segment=Referral" in page.url


def test_t_opens_and_closes_every_table_and_keeps_the_place(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"])
    page.evaluate("document.querySelector('#trends').scrollIntoView()")
    top = "document.querySelector('#trends h2').getBoundingClientRect().top"
    before = page.evaluate(top)
    page.keyboard.press("t")
    tables = page.locator("details.behind")
    assert tables.count() > 10
    assert page.locator("details.behind[open]").count() == tables.count()
    assert abs(page.evaluate(top) - before) < 2
    page.keyboard.press("t")
    assert page.locator("details.behind[open]").count() == 0


def test_evidence_hides_what_is_below_it(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"])
    assert page.locator(".block.dots tr[data-evidence=suppressed]:visible").count() > 0
    page.select_option("#pick-evidence", "directional")
    assert page.locator(".block.dots tr[data-evidence=suppressed]:visible").count() == 0
    assert page.locator(".block.dots tr[data-evidence=directional]:visible").count() > 0
    page.select_option("#pick-evidence", "reportable")
    assert page.locator(".block.dots tr[data-evidence=directional]:visible").count() == 0


def test_tables_sort_by_number_and_by_name(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"])
    block = ".block.dots[data-dimension=lead_source]"
    head = page.locator(f"{block} thead th", has_text="n").nth(1)
    counts = f"{block} tbody tr:not(.all) td:nth-child(2)"

    def column() -> list[int]:
        return [int(text.replace(",", "")) for text in page.locator(counts).all_inner_texts()]

    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert column() == sorted(column(), reverse=True)
    head.locator("button").press("Enter")
    assert column() == sorted(column())
    page.locator(f"{block} thead th button").first.click()
    names = page.locator(f"{block} tbody tr:not(.all) th").all_inner_texts()
    assert names == sorted(names, key=str.lower)
    assert page.locator(f"{block} tbody tr").first.get_attribute("class") == "all"


def test_a_table_is_copied_as_tabs(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"])
    page.evaluate("navigator.clipboard.writeText = text => { window.copied = text; return Promise.resolve(); }")
    page.locator("#caveats button.copy").click()
    lines = page.evaluate("window.copied").split("\n")
    assert lines[0].startswith("Dimension\tCells\tReportable")
    assert lines[1].split("\t")[0] == "All"
    assert len({line.count("\t") for line in lines}) == 1


def test_reads_without_javascript(browser: Any, addresses: dict[str, str]) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto(addresses["demo"])
    assert page.locator("form.bar:visible").count() == 0
    assert page.locator("article.block:visible").count() == 14
    assert page.locator("svg.chart:visible").count() >= 9
    assert page.locator("td.h:visible").count() > 200
    page.locator(".block.heat details summary").first.click()
    assert page.locator(".block.heat details table:visible").count() == 1
    context.close()


def test_prints_on_a4_with_the_release_on_every_page(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["demo"])
    pdf = page.pdf(prefer_css_page_size=True)
    assert pdf.startswith(b"%PDF")
    assert b"/MediaBox [0 0 594.95996 841.91998]" in pdf or b"/MediaBox [0 0 595 842]" in pdf
    rules = page.evaluate(
        "Array.from(document.styleSheets).flatMap(sheet => Array.from(sheet.cssRules)).map(rule => rule.cssText).join()"
    )
    assert '@bottom-left { content: "demo, release 2c9e5b7a41d0, as of 30\u00a0Jun\u00a02025"; }' in rules
    assert "counter(page)" in rules
    page.emulate_media(media="print")
    assert page.locator("form.bar:visible").count() == 0
    cut = page.eval_on_selector_all("figure, .panel", "items => items.map(item => getComputedStyle(item).breakInside)")
    assert set(cut) == {"avoid"}


PIPELINE = ("forecast", "movement", "stages", "coverage", "velocity", "outcomes", "stalled")


def test_the_contents_lead_to_every_section_of_the_pipeline(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["pipeline"])
    for section in PIPELINE:
        page.click(f"nav a[href='#{section}']")
        assert page.evaluate(f"document.getElementById('{section}').getBoundingClientRect().top") < 120
    order = page.eval_on_selector_all("main > section", "found => found.map(item => item.id)")
    assert [name for name in order if name in PIPELINE] == list(PIPELINE)


def test_pictures_of_the_pipeline_lie_inside_their_frames(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["pipeline"])
    for section in ("forecast", "movement", "velocity"):
        spilled = page.eval_on_selector_all(
            f"#{section} svg.chart",
            """charts => charts.flatMap(chart => {
                const frame = chart.getBoundingClientRect();
                return Array.from(chart.querySelectorAll("text")).filter(text => {
                    const box = text.getBoundingClientRect();
                    return box.left < frame.left - 1 || box.right > frame.right + 1;
                }).map(text => text.textContent);
            })""",
        )
        assert spilled == []
    # Three windows, three backtests, two bridges.
    assert page.locator("#forecast svg.chart").count() == 6
    assert page.locator("#movement svg.chart").count() == 2
    assert page.locator("#outcomes svg.dot:visible").count() == 3


def test_short_tables_of_the_pipeline_stack_on_a_narrow_screen(page: Any, addresses: dict[str, str]) -> None:
    page.set_viewport_size({"width": 375, "height": 800})
    page.goto(addresses["pipeline"])
    boxes = page.eval_on_selector_all(
        "table.stack", "tables => tables.map(table => [table.scrollWidth, table.parentElement.clientWidth])"
    )
    assert len(boxes) == 9
    assert all(content <= room for content, room in boxes)
    label = page.eval_on_selector(
        "#coverage table.stack td[data-label=Ratio]", "cell => getComputedStyle(cell, '::before').content"
    )
    assert label == '"Ratio "'
    # Directional values keep their sign beside the label.
    hollow = page.eval_on_selector(
        "#stages table.stack td.directional", "cell => getComputedStyle(cell, '::before').content"
    )
    assert hollow.endswith('○\u00a0"')


def test_wide_tables_of_the_pipeline_fit_a_wide_screen(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["pipeline"])
    for section in PIPELINE:
        boxes = page.eval_on_selector_all(
            f"#{section} .scroll:not(details *)", "boxes => boxes.map(box => [box.scrollWidth, box.clientWidth])"
        )
        assert all(content <= room + 1 for content, room in boxes), section


def test_held_back_sections_are_one_sentence_without_a_number(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["held"])
    for section in ("forecast", "movement", "coverage", "outcomes"):
        assert "losses have no amount" in page.inner_text(f"#{section} > .finding")
        assert "$" not in page.inner_text(f"#{section}")
        assert page.locator(f"#{section} svg").count() == 0
    assert page.inner_text("#stalled > .finding") == "There is no open opportunity."


def test_pictures_of_the_pipeline_are_not_cut_in_print(page: Any, addresses: dict[str, str]) -> None:
    page.goto(addresses["pipeline"])
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")
    page.emulate_media(media="print")
    cut = page.eval_on_selector_all(
        "#forecast figure, #movement figure, article.reasons",
        "all => all.map(one => getComputedStyle(one).breakInside)",
    )
    assert set(cut) == {"avoid"}
    assert page.locator("#forecast .note:visible").count() == 1
    # The numbers of a bridge stand below it, though the table is folded on the screen.
    for table in page.locator("#movement figure table").all():
        box = table.bounding_box()
        assert box is not None
        assert box["height"] > 100
    assert page.locator("#movement > details").first.bounding_box() is None
