"""The API as an application for a server, alone or with the page mounted behind its routes."""

import time
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oneseed import __version__
from oneseed.api.routes import Routes
from oneseed.api.service import NoModelError, Service
from oneseed.console.command import UserError
from oneseed.generation.batcher import QueueFullError

# seconds after which a model that is missing is asked for again
MODEL_RETRY_SECONDS = 30
SERVER_ENDS = "The server is ending; ask again in a moment."


def api_application(service: Service) -> FastAPI:
    """The application. What it refuses, it refuses in one sentence: {"detail": "…"}."""
    app = FastAPI(
        title="One seed, one picture, one caption",
        version=__version__,
        description="The same seed gives the same pair, here, on the page and on the command line.",
        docs_url=None,
        redoc_url=None,
    )
    app.add_exception_handler(QueueFullError, queue_is_full)
    app.add_exception_handler(NoModelError, no_model)
    app.add_exception_handler(UserError, cannot_be_done)
    app.add_exception_handler(RequestValidationError, wrong_values)
    Routes(service).add_to(app)
    app.add_middleware(Counted, service=service)
    return app


def queue_is_full(request: Request, error: Any) -> JSONResponse:
    """429, and when to ask again."""
    return JSONResponse({"detail": str(error)}, 429, {"retry-after": str(error.seconds)})


def no_model(request: Request, error: Exception) -> JSONResponse:
    """503, for the model may come."""
    return JSONResponse({"detail": str(error)}, 503, {"retry-after": str(MODEL_RETRY_SECONDS)})


def cannot_be_done(request: Request, error: Exception) -> JSONResponse:
    """422: the request can be read, but not be done."""
    return JSONResponse({"detail": str(error)}, 422)


def wrong_values(request: Request, error: Any) -> JSONResponse:
    """422 with the first value that is wrong. What was sent is not repeated."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    name = ".".join(place)[:80] or "The body of this request"
    reason = first["msg"][:1].lower() + first["msg"][1:]
    return JSONResponse({"detail": f"{name}: {reason}."}, 422)


class Counted:
    """Middleware that counts what the API answers, and answers nothing once the server ends.

    What is mounted behind the API, such as the page, passes uncounted.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self.app = app
        self.service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or not answers(scope["app"], scope["method"], scope["path"]):
            await self.app(scope, receive, send)
            return
        if scope["method"] == "HEAD":
            # the server keeps the scope of its own, and sends the headers alone
            scope = {**scope, "method": "GET"}
        if self.service.is_closing and scope["path"] != "/healthz":
            headers = {"retry-after": "5", "connection": "close"}
            await JSONResponse({"detail": SERVER_ENDS}, 503, headers)(scope, receive, send)
            return
        await self.count(scope, receive, send)

    async def count(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a request on, and notes its status and how long it took."""
        begin = time.perf_counter()
        status = 500

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        self.service.in_hand += 1
        try:
            await self.app(scope, receive, noted)
        finally:
            self.service.in_hand -= 1
            route = getattr(scope.get("route"), "path", scope["path"])
            seconds = time.perf_counter() - begin
            self.service.metrics.add(scope["method"], route, status, seconds)


def answers(app: Any, method: str, path: str) -> bool:
    """Has an application a route of its own for this? What is mounted in it does not count.

    Where it answers GET, it answers HEAD.
    """
    wanted = "GET" if method == "HEAD" else method
    return any(
        wanted in route.methods and route.path_regex.match(path)
        for route in app.routes
        if getattr(route, "methods", None)
    )
