"""What the gate has to know of the API: its addresses, and how large a body may be."""

from dataclasses import replace
from typing import Any

from starlette.datastructures import Headers

from oneseed.api.application import answers
from oneseed.web.gate import Site

NO_ADDRESS = "There is nothing at this address for this method; /docs lists what is there."
# these take pictures
PICTURE_PATHS = frozenset({"/v1/captions", "/v1/search"})
# who has no token may come here
ALWAYS_OPEN = frozenset({"/healthz", "/readyz", "/metrics"})


def api_site(app: Any) -> Site:
    """The site of the API alone."""

    def unknown(method: str, path: str, query: str) -> str:
        return "" if answers(app, method, path) else NO_ADDRESS

    return Site(unknown=unknown, large=PICTURE_PATHS)


def site_with_api(page_site: Site, app: Any, *, has_token: bool) -> Site:
    """The site of a page that stands behind the API's routes.

    has_token: the API lets nobody in without its token, so its callers need no login of the page.
    """

    def is_api(path: str) -> bool:
        return any(answers(app, method, path) for method in ("GET", "POST"))

    def unknown(method: str, path: str, query: str) -> str:
        return "" if answers(app, method, path) else page_site.unknown(method, path, query)

    def wrong_body(path: str, body: Any) -> str:
        return "" if is_api(path) else page_site.wrong_body(path, body)

    def admits(path: str, headers: Headers) -> bool:
        opened = path in ALWAYS_OPEN or (has_token and is_api(path))
        return opened or page_site.admits(path, headers)

    return replace(
        page_site, unknown=unknown, wrong_body=wrong_body, admits=admits, large=PICTURE_PATHS
    )
