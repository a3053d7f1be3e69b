"""What the browser tests share: pages on ports, and visits that must leave no complaint."""

import os
import re
import socket

import pytest

# what a browser may ask for: this machine, and what a page holds itself
OWN = r"http://127\.0\.0\.1:\d+/|data:|blob:"


class Visits:
    """Opens pages, and keeps what each complains of: errors, dialogs, requests to other hosts."""

    def __init__(self, browser):
        self.browser = browser
        self.contexts = []
        self.complaints = []

    def page(self, *, harmless=(), aborts=False, own=OWN, **context):
        """A page in a context of its own, with its settings.

        harmless: how messages begin that are no complaint. aborts: may what runs be broken off?
        own: how addresses begin that may be asked for, as a regular expression.
        """
        self.contexts.append(self.browser.new_context(**context))
        page = self.contexts[-1].new_page()
        # a busy machine
        page.set_default_timeout(60_000)

        def say(message):
            is_bad = message.type in ("error", "warning")
            if is_bad and not message.text.startswith(tuple(harmless)):
                self.complaints.append(message.text)

        def fail(error):
            if not (aborts and error.name == "AbortError"):
                self.complaints.append(str(error))

        def dismiss(dialog):
            self.complaints.append(dialog.message)
            dialog.dismiss()

        def ask(request):
            if not re.match(own, request.url):
                self.complaints.append(request.url)

        for name, listener in (
            ("console", say),
            ("pageerror", fail),
            ("dialog", dismiss),
            ("request", ask),
        ):
            page.on(name, listener)
        return page


@pytest.fixture
def visits(browser):
    """Visits of one test, which end without a complaint."""
    visits = Visits(browser)
    yield visits
    for context in visits.contexts:
        context.close()
    assert not visits.complaints, visits.complaints


@pytest.fixture(scope="module")
def put_on_port(tmp_path_factory):
    """put_on_port(build) -> address of the page that build() makes, until the module's end."""
    from gradio_demo import serve
    from oneseed.config.demo import DemoConfig

    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("cache"))
    pages = []

    def put(build):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        pages.append(serve(build(), DemoConfig(port=port)))
        return f"http://127.0.0.1:{port}/"

    yield put
    for page in pages:
        page.close(verbose=False)
