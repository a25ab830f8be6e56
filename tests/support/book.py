"""book.py - what ./dev docs needs beyond mkdocs.yml: README.md as a page, GitHub's fences, and links to headings that
do not exist as errors.

Left out on purpose: pages that are made here. The reference is committed, and blackbox.reference compares it with
the sources.
"""
import logging
import pathlib
import re
import urllib.parse

from mkdocs.structure.files import File

log = logging.getLogger("mkdocs.plugins.book")  # with strict, a warning fails the build
OVERVIEW = "overview.md"  # README.md; its own name would be the folder's index
headings, links = {}, []


def on_files(files, config, **_):
    files.append(File(OVERVIEW, config["docs_dir"], config["site_dir"], config["use_directory_urls"]))
    return files


def on_page_read_source(page, config, **_):
    if page.file.src_path != OVERVIEW:
        return None
    text = pathlib.Path(config["config_file_path"]).with_name("README.md").read_text(encoding="utf-8")
    text = text.replace("](docs/", "](")
    return re.sub(r"\[([^]]+)\]\((?:CONTRIBUTING\.md|SECURITY\.md|LICENSE)\)", r"\1", text)  # not in the book


def on_page_markdown(markdown, **_):
    """```lua file=scripts/shop.lua names a file for run_page.py; Markdown wants the language alone."""
    markdown = re.sub(r"^( *```[a-z]+) .*$", r"\1", markdown, flags=re.MULTILINE)
    return markdown.replace("](../README.md", f"]({OVERVIEW}")


def on_page_content(html, page, **_):
    headings[page.url] = set(re.findall(r'\bid="([^"]+)"', html))
    links.extend((page, href) for href in re.findall(r'<a [^>]*?href="([^":]*#[^"]+)"', html))
    return html


def on_post_build(**_):
    for page, href in links:
        path, anchor = href.split("#", 1)
        target = urllib.parse.urljoin(page.url, path) if path else page.url
        if urllib.parse.unquote(anchor) not in headings.get(target, ()):
            log.warning("%s: no heading for the link %s", page.file.src_path, href)
