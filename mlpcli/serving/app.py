"""The web application: routes, limits and errors. It knows no model, only what answers for one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlpcli.errors import MlpcliError
from mlpcli.printable import counted, without_nan
from mlpcli.serving import forms
from mlpcli.serving.batches import Batcher, QueueFull


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Attributes:
        body_bytes: of a request, at most.
        rows: of a request, at most.
        seconds: within which its body must come.
    """

    body_bytes: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class Pages:
    """What is answered without the model, fixed when the server starts.

    Attributes:
        name: of the model in TensorFlow Serving's addresses.
        model: `name/timestamp` of the run.
        columns: of the model; empty for a model of arrays.
        schema: of its rows and predictions.
        openapi: of the server.
    """

    name: str
    model: str
    columns: tuple[str, ...]
    schema: Mapping[str, object]
    openapi: Mapping[str, object]


class _PlainJson(JSONResponse):
    """JSON with non-ASCII characters as they are, and null for what is no finite number, as in `predict`."""

    def render(self, content: object) -> bytes:
        """Return the bytes."""
        write = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
        try:
            return write(content).encode()
        except ValueError:  # a prediction of a number may be too large for float32
            return write(without_nan(content)).encode()


def build_app(batcher: Batcher, pages: Pages, limits: Limits) -> Starlette:
    """Return the web application.

    Args:
        batcher: answers requests.
        pages: what is answered without the model.
        limits: of a request.
    """

    async def predict(request: Request) -> Response:
        return await answered(forms.parse_rows(await _body(request, limits)))

    async def serving_predict(request: Request) -> Response:
        _check_name(request, pages)
        body = await _body(request, limits)
        return await answered(forms.parse_instances(body, pages.columns))

    async def answered(asked: forms.Request) -> Response:
        if len(asked.rows) > limits.rows:
            raise HTTPException(
                413, f"a request may have at most {counted(limits.rows, 'row')}, not {len(asked.rows):,}"
            )
        return await _answered(asked, batcher, pages)

    async def serving_status(request: Request) -> Response:
        _check_name(request, pages)
        status = {"error_code": "OK", "error_message": ""}
        return _PlainJson(
            {"model_version_status": [{"version": "1", "state": "AVAILABLE", "status": status}]}
        )

    links = ["/predict", f"/v1/models/{pages.name}:predict", "/schema", "/openapi.json", "/health"]
    routes = [
        Route("/", _page({"model": pages.model, "paths": links})),
        Route("/predict", predict, methods=["POST"]),
        Route("/v1/models/{name}:predict", serving_predict, methods=["POST"]),
        Route("/v1/models/{name}", serving_status),
        Route("/schema", _page(pages.schema)),
        Route("/openapi.json", _page(pages.openapi)),
        Route("/health", _page({"status": "ok", "model": pages.model})),
    ]
    handlers = {
        HTTPException: _refused,
        forms.BadRequest: _unreadable,
        MlpcliError: _unusable,
        Exception: _failed,
    }
    return Starlette(routes=routes, exception_handlers=handlers)  # type: ignore[arg-type]


def _page(document: object) -> Callable[[Request], Awaitable[Response]]:
    """Return what answers with the same document at any time."""

    async def page(request: Request) -> Response:
        return _PlainJson(document)

    return page


async def _body(request: Request, limits: Limits) -> bytes:
    """Return the body of a request, which is neither too large nor too slow.

    Raises:
        HTTPException: it is.
    """
    too_large = HTTPException(413, f"the body must have at most {limits.body_bytes:,} bytes")
    announced = request.headers.get("content-length", "")
    if announced.isdigit() and int(announced) > limits.body_bytes:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(limits.seconds):
            async for part in request.stream():
                body += part
                if len(body) > limits.body_bytes:
                    raise too_large
    except TimeoutError:
        raise HTTPException(408, f"the body did not come within {limits.seconds:g} seconds") from None
    except ClientDisconnect:
        raise HTTPException(400, "the client has gone") from None
    return bytes(body)


def _check_name(request: Request, pages: Pages) -> None:
    name = request.path_params["name"]
    if name != pages.name:
        raise HTTPException(404, f"there is no model {name!r} here, only {pages.name!r}")


async def _answered(request: forms.Request, batcher: Batcher, pages: Pages) -> Response:
    """Let the model answer, and return what it says."""
    if not request.rows:
        raise forms.BadRequest("there are no rows in the request")
    try:
        future = batcher.submit(request.rows, tensors=request.form != "rows")
    except QueueFull:
        headers = {"Retry-After": "1"}
        raise HTTPException(503, "too many rows are waiting; try again", headers=headers) from None
    answer = await asyncio.wrap_future(future)
    if answer.chunk.rejected:
        return _PlainJson(forms.wrong_rows(answer.chunk.rejected, request), status_code=422)
    return _PlainJson(forms.answer_document(answer, request.form, pages.model))


async def _refused(request: Request, error: HTTPException) -> Response:
    detail = error.detail
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        detail = f"{request.scope['path']} takes {allowed}, not {request.method}"
    elif error.status_code == 404 and detail == "Not Found":
        detail = f"there is nothing at {request.scope['path']}; / lists what there is"
    return _PlainJson({"error": detail}, status_code=error.status_code, headers=error.headers)


async def _unreadable(request: Request, error: forms.BadRequest) -> Response:
    return _PlainJson({"error": str(error)}, status_code=400)


async def _unusable(request: Request, error: MlpcliError) -> Response:
    return _PlainJson({"error": "; ".join(each.headline() for each in error.problems)}, status_code=422)


async def _failed(request: Request, error: Exception) -> Response:
    """Answer what went wrong inside, without where: the web server writes that to its log."""
    return _PlainJson({"error": f"internal error: {type(error).__name__}"}, status_code=500)
