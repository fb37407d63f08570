"""The page of the quickstart works in a browser, on another origin than the server."""

import contextlib
import functools
import http.server
import threading

from tests.docs.pages import ROOT, blocks
from tests.docs.test_code_blocks import Reader


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *args):
        pass


@contextlib.contextmanager
def folder_served_on(port, folder):
    handler = functools.partial(QuietHandler, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


def test_quickstart_page_shows_both_answers(page, tmp_path):
    page_blocks = blocks(ROOT / "docs" / "quickstart.md")
    html = next(block for block in page_blocks if block.language == "html")
    program = next(block for block in page_blocks if "serveForever()" in block.text)
    with contextlib.closing(Reader(tmp_path)) as reader:
        reader.follow([program])
        port = reader.ports["8000"]
        (tmp_path / "page.html").write_text(reader.with_free_ports(html.text), encoding="utf-8")
        with folder_served_on(port, tmp_path):
            page.goto(f"http://127.0.0.1:{port}/page.html")
            page.wait_for_function("document.getElementById('fetched').textContent")

            assert page.inner_text("#fetched") == "5"
            assert page.inner_text("#loaded") == "23"
