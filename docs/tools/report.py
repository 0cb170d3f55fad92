"""Write the pages of results as one PDF: `make report`, or `python docs/tools/report.py build/report.pdf`.

Their tables come from `docs/tools/results.py`, their figures from docs/pictures.
"""

import io
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import markdown
import matplotlib as mpl
import tyro
from results import fill_page, read_all
from xhtml2pdf import pisa

DOCS = Path(__file__).resolve().parents[1]
PAGES = ("index", "sampler", "evidence", "conditioning", "remedies", "recipe")
"""Pages of results in the order of the report."""
FONTS = Path(mpl.get_data_path()) / "fonts" / "ttf"
FONT_FOLDER = DOCS.parent / "build" / "fonts"
"""In the repository: the converter reads nothing outside its working folder."""
STYLE = """
@font-face { font-family: body; src: url(FONTS/DejaVuSans.ttf); }
@font-face { font-family: body; font-weight: bold; src: url(FONTS/DejaVuSans-Bold.ttf); }
@font-face { font-family: body; font-style: italic; src: url(FONTS/DejaVuSans-Oblique.ttf); }
@font-face { font-family: code; src: url(FONTS/DejaVuSansMono.ttf); }
@page { size: a4; margin: 2cm; @frame footer { -pdf-frame-content: footer; bottom: 1cm; margin-left: 2cm;
  margin-right: 2cm; height: 0.6cm; } }
body { font-family: body; font-size: 9pt; line-height: 1.35; }
h1 { font-size: 15pt; } h2 { font-size: 11.5pt; margin-top: 10pt; }
a { color: #0072b2; text-decoration: none; }
code, pre { font-family: code; font-size: 7.5pt; }
table { border: 0.4pt solid #999999; font-size: 6.8pt; }
th, td { padding: 1.5pt 3pt; border: 0.3pt solid #cccccc; vertical-align: top; text-align: left; }
"""


def as_html(pages: Iterable[str], fonts: Path) -> str:
    """The pages as HTML that refers to their pictures by path; links to other pages become their words."""
    bodies = []
    for page in pages:
        text = re.sub(r"<!--.*?-->", "", page)
        text = re.sub(r"(?<!!)\[([^\]]+)\]\((?!http)[^)]*\)", r"\1", text)
        bodies.append(markdown.markdown(text, extensions=["tables", "md_in_html"]))
    body = '<div style="page-break-before: always"></div>'.join(bodies)
    pictures = rf'<img alt="\1" width="480" src="{DOCS}/\2"/><br/>'
    body = re.sub(r'<img alt="([^"]*)" src="\.\./([^"]+)" ?/>', pictures, body)
    body = body.replace("<tr>\n<th", '<tr>\n<th width="27%"')
    style = STYLE.replace("FONTS", str(fonts))
    return (
        f'<html><head><style>{style}</style></head><body>{body}<div id="footer"><pdf:pagenumber/></div></body></html>'
    )


def make_report() -> bytes:
    """Return the report as PDF."""
    FONT_FOLDER.mkdir(parents=True, exist_ok=True)
    for name in re.findall(r"FONTS/([\w-]+\.ttf)", STYLE):
        shutil.copy(FONTS / name, FONT_FOLDER)
    summaries = read_all()
    pages = []
    for name in PAGES:
        page = (DOCS / "results" / f"{name}.md").read_text(encoding="utf-8")
        pages.append(fill_page(page, summaries, is_site=True))
    file = io.BytesIO()
    if pisa.CreatePDF(as_html(pages, FONT_FOLDER), dest=file).err:
        raise SystemExit("the report could not be made")
    return file.getvalue()


def main(out: Annotated[Path, tyro.conf.Positional] = DOCS.parent / "build" / "report.pdf") -> None:
    """Write the report as PDF to `out`."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(make_report())
    print(out)


if __name__ == "__main__":
    tyro.cli(main)
