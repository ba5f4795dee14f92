"""Protects the reports: they are those of the rows, say what they say, escape what is text, and work in a browser."""

import html
import json
import random
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from cli import main
from studies import study_of, write_rows, write_study
from zoo.studies.figures import furthest
from zoo.studies.formatting import decision, signed
from zoo.studies.generated_files import content_digest
from zoo.studies.generated_files import write_generated as replaced
from zoo.studies.plain_text import markdown
from zoo.studies.reading import read_study
from zoo.studies.report import make_report, read_claims, render_page, render_readme
from zoo.studies.rows import Rows, blank_row, columns, read_table, write_table
from zoo.studies.statistics import Mean
from zoo.studies.verdicts import assess, valid_rows

ROOT = Path(__file__).parents[2]
STUDIES = ROOT / "configs/studies"
PAGE = ROOT / "docs/studies/index.html"
CLAIMS = {"C8": "GELU is <today's> favourite | of all"}
FACTORS = {"pixels": {"plain": {}, "shuffled": {"data.shuffle_pixels": 0}}}
MEANS = {"relu, plain": 0.9, "tanh, plain": 0.95, "relu, shuffled": 0.9, "tanh, shuffled": 0.9}


def test_reports_are_those_of_the_rows(tmp_path, monkeypatch):
    """Who changes a study, its rows or this program must run `zoo study report`."""
    shutil.copytree(ROOT / "configs", tmp_path / "configs")
    monkeypatch.setattr("zoo.config.config_files.PACKAGE", tmp_path / "zoo")  # a checkout
    monkeypatch.chdir(tmp_path)
    main(["study", "report"])  # and what the comments say is what the rows say, or this would exit
    for path in [PAGE, STUDIES / "README.md", *STUDIES.glob("*/README.md"), *STUDIES.glob("*/*.svg")]:
        assert (tmp_path / path.relative_to(ROOT)).read_text() == path.read_text(), path
    made = {path.relative_to(tmp_path) for path in (tmp_path / "configs/studies").glob("*/*")}
    assert made == {path.relative_to(ROOT) for path in STUDIES.glob("*/*")}


def test_rows_are_of_the_studies_as_they_are_and_name_their_code(monkeypatch):
    monkeypatch.chdir(ROOT)
    for file in STUDIES.glob("*/study.yaml"):
        study = read_study(file.parent)
        assert valid_rows(study, Rows(study, Path("unused")).read()).others == 0, file
        for row in read_table(file.parent / "results.csv"):
            assert row["error"] or len(row["git_commit"]) == 40, file  # a commit, and no code differed from it


def test_every_study_measures_claims_of_the_lectures(monkeypatch):
    monkeypatch.chdir(ROOT)
    claims = read_claims(STUDIES / "claims.yaml")
    assert list(claims) == [f"C{i}" for i in range(1, 19)]
    for file in STUDIES.glob("*/study.yaml"):
        study = read_study(file.parent)
        assert set(study.claims) <= claims.keys()
        assert {each.claim for each in study.expect} <= {*study.claims, None}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A study whose arms differ on plain pixels only, and differ by five points."""
    expect = [
        {
            "says": "more <b>where</b> pixels have places",
            "compare": {"arm": ["tanh", "relu"]},
            "where": {"pixels": "plain"},
            "more": 2,
        },
        {"compare": {"arm": ["tanh", "relu"]}, "between": {"pixels": ["plain", "shuffled"]}, "more": 2},
        {"compare": {"pixels": ["plain", "shuffled"]}, "where": {"arm": "relu"}, "same": 2},
        {"compare": {"arm": ["tanh", "relu"]}, "where": {"pixels": "shuffled"}, "more": 2},
    ]
    study = study_of(
        tmp_path / "s",
        factors=FACTORS,
        seeds=5,
        expect=expect,
        maps=["gradient_norm"],
        comment="It's <script>alert(1)</script> & so | on.",
    )
    write_rows(study, MEANS)
    return study.folder


def test_verdicts_are_those_of_the_rows(folder):
    report = make_report(read_study(folder))
    assert [part.verdict for part in report.parts] == ["supported", "supported", "supported", "refuted"]
    assert report.verdicts == {"C8": "partly"}
    what = report.decided["C8"]
    assert what
    assert "What decides: 2 &lt;" not in render_readme(report, CLAIMS)
    assert decision(what).endswith("points of test accuracy (tanh − relu, shuffled), ≥ 2.00 expected")
    assert f"{decision(what)}; refuted." in render_readme(report, CLAIMS)
    assert "of 4 parts 3 supported, 1 refuted" in render_page(
        [report], CLAIMS, "overview.md", None, page="index.html", guide=""
    )
    mean = report.parts[1].contrasts[0].mean
    assert mean
    assert mean.low < 5 < mean.high
    assert mean.half < 2  # the seeds differ by a point, which pairing takes out
    names = [picture.name for picture in report.pictures]
    assert names == ["levels-accuracy", "forest-accuracy", "curves", "map-gradient_norm"]


def test_a_verdict_names_the_cells_that_were_tuned_to_the_edge_of_their_grid(tmp_path):
    """Beyond it the best may lie: computed, not typed."""
    tune = {"values": {"model.optimizer.lr": [0.1, 0.2, 0.3]}, "seeds": [100]}
    expect = [{"compare": {"arm": ["tanh", "relu"]}, "more": 1}]
    arms = {"relu": {}, "tanh": {"model.dropout": 0.1}, "elu": {"model.norm": "none"}}
    study = study_of(tmp_path / "s", seeds=3, tune=tune, expect=expect, arms=arms)
    best = {"relu": 0.3, "tanh": 0.2, "elu": 0.1}
    rows = []
    for (arm,) in study.cells:
        for rate in (0.1, 0.2, 0.3):
            values = {"model.optimizer.lr": rate}
            accuracy = {"val_accuracy": str(0.9 - abs(rate - best[arm]))}
            rows.append(blank_row(study, (arm,), "", study.config((arm,), values, tuning=True), 100) | accuracy)
        for seed in study.seeds:
            values = {"model.optimizer.lr": best[arm]}
            done = {"accuracy": str(0.9 + 0.1 * (arm == "tanh") + seed / 1e4), "val_curve": "0.8 0.9 0.9"}
            row = blank_row(study, (arm,), "", study.config((arm,), values), seed) | done
            rows.append({**row, "seconds": "1", "parameters": "1", "multiply_adds": "1", "chosen_by": "lot"})
    write_table(study.folder / "results.csv", rows, columns(study))
    report = make_report(study)
    text = render_readme(report, CLAIMS)
    assert report.verdicts == {"C8": "supported"}
    assert "But 1 of the 2 tuned cells that this rests on lies at the edge of the grid" in text  # not that of elu
    assert "beyond which the best may be: relu." in text
    assert "1 of 2 tuned cells at the edge" in render_page(
        [report], CLAIMS, "overview.md", None, page="index.html", guide=""
    )
    assert "several epochs were equally good on validation, and what chose: 9 by lot." in text


def test_sections_stand_in_the_order_of_the_claims():
    page = PAGE.read_text()
    claims = [*dict.fromkeys(re.findall(r"What decides on (C\d+):", page))]
    assert claims == [f"C{i}" for i in range(1, 19)]


def test_a_study_without_rows_says_so(tmp_path):
    report = make_report(study_of(tmp_path, expect=[{"compare": {"arm": ["tanh", "relu"]}, "more": 2}]))
    assert report.verdicts == {"C8": "not measured"}
    assert "there are no rows" in render_readme(report, CLAIMS)
    assert "not measured" in render_page([report], CLAIMS, "index.html", None)


def test_a_seed_that_one_arm_lacks_counts_for_none(folder):
    study = read_study(folder)
    lines = (folder / "results.csv").read_text().splitlines()
    (folder / "results.csv").write_text(
        "\n".join(line for line in lines if not line.startswith("tanh,plain,,") or ",3,D" not in line) + "\n"
    )
    contrast = assess(study, valid_rows(study, Rows(study, Path("unused")).read()))[0].contrasts[0]
    assert contrast.mean
    assert contrast.mean.n == 4


def test_text_is_text(folder):
    report = make_report(read_study(folder))
    page, text = render_page([report], CLAIMS, "index.html", None), render_readme(report, CLAIMS)
    assert "<script>alert" not in page
    assert html.escape("It's <script>alert(1)</script> & so | on.", quote=True).replace("&#x27;", "&#39;") in page
    assert "<script>" not in text
    assert "<b>" not in text + page
    tables = [line for line in text.splitlines() if line.startswith("|")]
    widths = {line.count("|") - line.count("\\|") for line in tables}
    assert len(widths) == 3  # those of three tables: no text has made a column


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("[a](https://x.org/a?b=1&c=2)", "[a](https://x.org/a?b=1&amp;c=2)"),
        ("[a](results.csv), [b](../x/README.md#y)", "[a](results.csv), [b](../x/README.md#y)"),
        *[
            (f"[a]({address})", None)
            for address in (
                *("javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:x", "java\nscript:x", "javascript\\:x"),
                *(
                    "&#106;avascript:x",
                    "&#x6A;avascript&colon;x",
                    "vbscript:x",
                    "data:text/html,x",
                    "file:///etc/passwd",
                ),
                *(
                    "//evil.org",
                    "/etc/passwd",
                    "\\\\evil.org",
                    "<javascript:x>",
                    "https:evil",
                    'https://a.b "javascript:x"',
                ),
                *(
                    "mailto:a@b.c",
                    "javascript%3Ax:y",
                    "\x01javascript:x",
                    "ｊavascript:x",
                ),
            )
        ],
        ("![a](data:image/svg+xml;base64,xx)", None),
        ("![a](https://x.org/pixel.png)", None),
        ("[a][b]\n\n[b]: javascript:x", None),
        ("[b]\n\n[b]: <javascript:x>", None),
        ("\\[a](javascript:x)", None),
        ("[[a](https://a.b)](javascript:x)", "\\[[a](https://a.b)\\](javascript:x)"),
        ("<javascript:x> <a href=javascript:x> a@b.c", "&lt;javascript:x> &lt;a href=javascript:x> a&#64;b.c"),
    ],
)
def test_links_of_a_study_lead_to_http_or_beside_the_report(text, shown):
    """SECURITY.md. What is not plainly such a link is shown as it was typed: no bracket of it is one of Markdown's."""
    made = markdown(text)
    if shown is not None:
        assert made == shown
    else:
        assert not re.search(r"(?<!\\)(?:\\\\)*[\[\]<@]", made), made


def test_no_text_makes_another_link():
    """As a reader of Markdown sees it, over texts put together from all that could be part of a link."""
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark", {"html": True}).enable("table")
    reader.validateLink = lambda url: True  # its own list of bad ones is not what is tested
    parts = [
        "[",
        "]",
        "(",
        ")",
        "!",
        "\\",
        "<",
        ">",
        "`",
        "\n",
        "\n\n",
        " ",
        "a",
        "https://x.org",
        "javascript:x",
        "data:x",
    ]
    parts += [
        "//evil",
        "/abs",
        "rel/x.md",
        "[a]",
        "(javascript:x)",
        ": ",
        "&#106;",
        "'",
        "|",
        "\t",
        "<a href=javascript:x>",
    ]
    chance = random.Random(0)
    links = 0
    for _ in range(2000):
        text = markdown("".join(chance.choice(parts) for _ in range(chance.randint(1, 10))))
        for address in re.findall(
            r'(?:href|src)="([^"]*)"', reader.render(f"{text}\n\n| {text} |\n|---|\n\n![{text}](x.svg)")
        ):
            links += 1
            assert re.match(r"https?://x\.org|[\w.][^:]*$", address), text
    assert links > 1000


def test_the_page_makes_no_links_of_text(folder):
    text = "[a](javascript:x) <a href=javascript:x> https://x.org"
    page = render_page(
        [make_report(replace(read_study(folder), comment=text, threats=[text]))], CLAIMS, "index.html", None
    )
    assert page.count("<a ") == page.count('<a href="#') == 1


def test_only_files_that_a_report_has_made_are_replaced(tmp_path, monkeypatch, capsys):
    label = r"names are text, $\never{ TeX"
    study = study_of(tmp_path / "s", report={"accuracy": {"value": "test.accuracy", "label": label}})
    write_rows(study, {"relu": 0.9, "tanh": 0.95})
    folder = study.folder
    (folder.parent / "claims.yaml").write_text("C8: GELU.\n")
    page = folder.parent / "page.html"

    def report() -> str:
        main(["study", "report", "--studies", str(folder.parent), "--page", str(page)])
        return capsys.readouterr().err

    (folder / "notes.svg").write_text("<svg>mine</svg>")
    (folder / "curves.svg").write_text("<svg>mine too</svg>")
    (folder / "README.md").write_text("# My notes\n")
    page.write_text("<html>mine as well</html>")
    said = report()
    assert (folder / "notes.svg").read_text() == "<svg>mine</svg>"
    assert (folder / "curves.svg").read_text() == "<svg>mine too</svg>"
    assert (folder / "README.md").read_text() == "# My notes\n"
    assert page.read_text() == "<html>mine as well</html>"
    lines = [line for line in said.splitlines() if line.startswith("file in ")]
    assert len(lines) == 3
    assert all("left as it is. Try: mv" in line for line in lines)
    for path in (folder / "curves.svg", folder / "README.md", page):
        path.unlink()
    assert report() == ""
    first = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert report() == ""
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == first
    (folder / "README.md").write_text("# Mine after all\n")
    (folder / "results.csv").unlink()
    (folder / "forest-accuracy.svg").write_text("drawn over")
    assert len(report().splitlines()) == 1
    assert (folder / "README.md").read_text() == "# Mine after all\n"
    left = {path.name for path in folder.glob("*.svg")}
    assert left == {
        "notes.svg",
        "forest-accuracy.svg",
    }  # those of rows that are no more are gone


def test_a_list_that_came_with_a_study_deletes_nothing_else(folder):
    rows = (folder / "results.csv").read_bytes()
    names = {
        "results.csv": [content_digest(rows)],
        "../x.svg": [content_digest(b"x")],
        "study.yaml": "all",
        "page.svg": None,
    }
    (folder.parent / "x.svg").write_bytes(b"x")
    (folder / ".report.json").write_text(json.dumps(names))
    assert replaced(folder, {"curves.svg": "<svg/>"}) == []
    assert (folder / "results.csv").read_bytes() == rows
    assert (folder.parent / "x.svg").exists()
    assert (folder / "study.yaml").exists()
    (folder / ".report.json").write_text("[" * 100_000)
    assert replaced(folder, {"curves.svg": "<svg>2</svg>"}) == [folder / "curves.svg"]  # whose it is nobody can tell


def test_pictures_are_whole_and_show_text(folder):
    again = {picture.name: picture.svg for picture in make_report(read_study(folder)).pictures}
    for picture in make_report(read_study(folder)).pictures:
        root = ElementTree.fromstring(picture.svg)
        words = "".join(root.itertext())
        assert "relu" in words
        assert picture.svg == again[picture.name]


PROBE = """<script>
window.addEventListener("load", async () => {
  const table = document.getElementById("claims"), found = {orders: [], aria: []};
  const column = (i) => [...table.tBodies[0].rows].map((row) => row.cells[i].textContent.trim().split("\\n")[0]);
  for (const press of [0, 0, 2]) {
    table.tHead.rows[0].cells[press].querySelector("button").click();
    found.orders.push(column(press));
    found.aria.push([...table.tHead.rows[0].cells].map((cell) => cell.getAttribute("aria-sort")));
  }
  const pictures = [...document.images];
  await Promise.all(pictures.map((picture) => picture.decode().catch(() => {})));
  found.pictures = pictures.map((picture) => picture.complete && picture.naturalWidth > 0 && picture.alt !== "");
  const loaded = performance.getEntriesByType("resource").map((each) => each.name);
  found.outside = loaded.filter((name) => !name.startsWith("data:"));
  found.wide = document.documentElement.scrollWidth > window.innerWidth;
  const report = document.createElement("pre");
  report.id = "found";
  report.textContent = JSON.stringify(found);
  document.body.append(report);
});
</script></body>"""


def browser() -> str:
    """The path of Chromium, or of a browser made from it."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    pytest.skip("no Chromium on this machine (apt-get install chromium)")


def test_a_browser_sorts_the_table_and_loads_every_figure(tmp_path):
    program = browser()
    page = tmp_path / "page.html"
    page.write_text(PAGE.read_text().replace("</body>", PROBE))
    flags = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--virtual-time-budget=10000",
        f"--user-data-dir={tmp_path}/profile",
    ]
    words = [program, *flags, "--window-size=1200,900", "--dump-dom", page.as_uri()]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120)
    match = re.search(r'<pre id="found">(.*?)</pre>', done.stdout, re.DOTALL)
    assert match, done.stderr[-500:]
    found = json.loads(html.unescape(match[1]))
    ids = [f"C{i}" for i in range(1, 19)]
    down, up, verdicts = found["orders"]
    assert list(dict.fromkeys(down)) == ids[::-1]  # as it opens they stand the other way round
    assert list(dict.fromkeys(up)) == ids
    assert verdicts == sorted(verdicts, key=lambda text: text[2:])
    assert found["aria"][2] == ["none", "none", "ascending", "none", "none"]
    assert len(found["pictures"]) == len([*STUDIES.glob("*/*.svg")]) > 0
    assert all(found["pictures"])
    assert found["outside"] == []
    assert not found["wide"]


def test_the_page_needs_no_network():
    assert not re.search(r'(?:src|href)="(?!data:|#)', PAGE.read_text())
    assert not re.search(r"url\(|@import|https?://(?!www\.w3\.org)", PAGE.read_text())


def test_a_study_that_is_no_study_stops_the_reports(tmp_path, monkeypatch, capsys):
    write_study(tmp_path / "one", baseline="no")
    (tmp_path / "claims.yaml").write_text("C1: One.\n")
    with pytest.raises(SystemExit) as stop:
        main(["study", "report", "--studies", str(tmp_path), "--page", str(tmp_path / "page")])
    assert (stop.value.code, (tmp_path / "page").exists()) == (2, False)
    said = capsys.readouterr().err
    assert re.match(r"error: arm in baseline of .+/one/study\.yaml: expected one of relu, tanh", said)


def test_the_axis_of_a_forest_ends_where_most_intervals_do():
    def means(*values: float) -> list[Mean]:
        return [Mean(value, value - 0.5, value + 0.5, 5) for value in values]

    assert furthest(means(1, -2, 3)) == 3.5
    assert furthest(means(1, -2, 3, -40)) == 3.5  # one of four is far away: an arrow
    assert furthest(means(1, -2, 40, -41)) == 41.5  # half of them are not the exception
    assert furthest([]) == 0


def test_a_difference_that_rounds_to_zero_has_no_minus():
    assert [signed(value, 2) for value in (-0.004, 0.004, -0.006)] == ["+0.00", "+0.00", "−0.01"]
