"""What the gate has to know of Gradio: which of its addresses are used, and what may be sent there.

Gradio has addresses that this page does not need: some fetch from other hosts, write files without
a limit, or change the program. Only those that the page and its clients use are open.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from oneseed.page.events import Component
from oneseed.web.gate import Site

API = "/gradio_api"
NOTHING_HERE = "There is nothing at this address."
# of a visit, an event or an upload, as clients make them up
MARK = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
OPEN_TO_READ = re.compile(
    rf"""/ | /config/? | /theme\.css | /favicon\.ico | /robots\.txt | /manifest\.json | /logout
    | /(?:assets|static|svelte)/[\w./-]+
    | /share/(?:card|preview)/[^/]{{1,80}}\.png
    | {API}/(?:info/?|openapi\.json|user/?|login_check/?|app_id/?|theme\.css)
    | {API}/(?:queue/(?:data|status)|upload_progress)
    | {API}/heartbeat/[\w-]{{1,64}}
    | {API}/call/(?:v2/)?[\w-]{{1,64}}/[\w-]{{1,64}}
    | {API}/file=/?(?![/\\]|[A-Za-z][A-Za-z0-9+.-]*:).*
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
OPEN_TO_WRITE = re.compile(
    rf"""/login/? | {API}/(?:queue/join|upload|reset/?|cancel)
    | {API}/(?:call|run|api)/[\w-]{{1,64}}/? | {API}/call/v2/[\w-]{{1,64}}/?""",
    re.VERBOSE | re.ASCII,
)
CALL = re.compile(rf"{API}/(?P<way>call|run|api)/(?P<v2>v2/)?(?P<name>[\w-]+)/?", re.ASCII)
UNCHANGING = ("/assets/", "/static/", "/svelte/", "/theme.css", "/favicon.ico", "/robots.txt")
# what a visitor sees who has not logged in
BEFORE_LOGIN = frozenset({"/", "/login", "/login/", "/logout", "/manifest.json"})
BEFORE_LOGIN_API = frozenset({f"{API}/user", f"{API}/login_check", f"{API}/theme.css"})
# values of one event; no event of the page takes as many
MOST_VALUES = 64
# answers of Gradio by their status; its own name versions, paths and numbers
SENTENCES = {
    400: "This request cannot be answered.",
    401: "Log in first.",
    403: "This file is not served.",
    404: NOTHING_HERE,
    405: "This address is not asked in this way.",
    413: "This is too large.",
    422: "This request does not have what belongs into it.",
    429: "Too many requests; try again in a minute.",
    503: "Too many are waiting here; try again in a minute.",
}


def unknown_route(method: str, path: str, query: str) -> str:
    """Why there is nothing at an address, "" where there is."""
    opened = OPEN_TO_WRITE if method == "POST" else OPEN_TO_READ
    if method not in ("GET", "HEAD", "POST") or not opened.fullmatch(path):
        return NOTHING_HERE
    try:
        values = parse_qs(query, keep_blank_values=True, max_num_fields=64)
    except ValueError:
        return NOTHING_HERE
    for name in ("session_hash", "upload_id", "deep_link"):
        if any(not MARK.fullmatch(value) for value in values.get(name, ())):
            return f"What stands for {name} in this address is none."
    return ""


def optional(value: Any, kind: type) -> bool:
    """Is a value of JSON of this kind, or null? A truth value is no number."""
    return value is None or (isinstance(value, kind) and not isinstance(value, bool))


def optional_mark(value: Any) -> bool:
    """Is a value of JSON a mark, or null?"""
    return value is None or (isinstance(value, str) and bool(MARK.fullmatch(value)))


def body_checker(page: Component) -> Callable[[str, Any], str]:
    """A function (path, JSON of a request) -> why it cannot be answered, "" where it can."""

    def wrong_body(path: str, body: Any) -> str:
        if not isinstance(body, dict):
            return SENTENCES[422]
        call = CALL.fullmatch(path)
        if call and call["v2"]:
            return wrong_named_values(page, call["name"], body)
        marks = (body.get("session_hash"), body.get("event_id"))
        if not all(map(optional_mark, marks)):
            return "What stands for session_hash or event_id is none."
        if call and call["way"] == "call":
            return wrong_event(page, call["name"], {**body, "fn_index": None})
        if call or path == f"{API}/queue/join":
            return wrong_event(page, call["name"] if call else "", body)
        return ""

    return wrong_body


def wrong_event(page: Component, name: str, body: Mapping[str, Any]) -> str:
    """Why an event cannot be begun. name: of the endpoint, "" where only its number is there."""
    if not isinstance(body.get("data"), list) or len(body["data"]) > MOST_VALUES:
        return "The data of an event are a list of its values."
    number = body.get("fn_index")
    if not optional(number, int) or not optional(body.get("trigger_id"), int):
        return "fn_index and trigger_id are whole numbers."
    if body.get("batched") or not isinstance(body.get("simple_format", False), bool):
        return SENTENCES[422]
    if not isinstance(body.get("event_data"), dict | list | str | int | float | None):
        return SENTENCES[422]
    functions = [page.fns.get(number)]
    if number is None:
        functions = [one for one in page.fns.values() if one.api_name == name]
    # what the browser does by itself has no function
    is_known = any(one is not None and one.fn is not None for one in functions)
    return "" if is_known else "There is no such event."


def wrong_named_values(page: Component, name: str, body: Mapping[str, Any]) -> str:
    """Why values that came with their names cannot be used."""
    endpoint = page.get_api_info()["named_endpoints"].get(f"/{name}")
    if endpoint is None:
        return "There is no such event."
    known = {value["parameter_name"]: value for value in endpoint["parameters"]}
    needed = {key for key, value in known.items() if not value["parameter_has_default"]}
    if not body.keys() <= known.keys() or not needed <= body.keys():
        return f"The values of {name} are: {', '.join(known)}."
    return ""


def gradio_site(
    page: Component, scripts: tuple[str, ...] = (), framed_by: tuple[str, ...] = ()
) -> Site:
    """The site of a page; `page.app` has to be there.

    scripts: of the page's head. framed_by: origins whose pages may frame it.
    """
    app = page.app

    def admits(path: str, headers: Headers) -> bool:
        if app.auth is None or path in BEFORE_LOGIN or path.startswith(UNCHANGING):
            return True
        if path.rstrip("/") in BEFORE_LOGIN_API:
            return True
        return any(token in app.tokens for token in tokens_of(headers, app.cookie_id))

    return Site(
        unknown=unknown_route,
        wrong_body=body_checker(page),
        admits=admits,
        uploads=frozenset({f"{API}/upload"}),
        logins=frozenset({"/login", "/login/"}),
        visitor_files=(f"{API}/file=",),
        assets=UNCHANGING,
        scripts=scripts,
        framed_by=framed_by,
        sentences=SENTENCES,
    )


def tokens_of(headers: Headers, cookie_id: str) -> list[str]:
    """The tokens of a login that a visitor's cookies hold."""
    names = (f"access-token-{cookie_id}", f"access-token-unsecure-{cookie_id}")
    pairs = [part.strip().partition("=") for part in headers.get("cookie", "").split(";")]
    return [value for name, _, value in pairs if name in names]


def plain_refusal(request: Request, error: Exception) -> JSONResponse:
    """What Gradio refuses, in a sentence of the page's own."""
    status = error.status_code if isinstance(error, HTTPException) else 422
    sentence = SENTENCES.get(status, SENTENCES[400])
    if request.url.path.rstrip("/") == "/login" and status == 400:
        # its form looks for these words
        sentence = "Incorrect credentials."
    return JSONResponse({"detail": sentence}, status)


# for FastAPI
REFUSALS = {HTTPException: plain_refusal, RequestValidationError: plain_refusal}
