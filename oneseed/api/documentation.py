"""The page /docs: the API's description as plain HTML, without a script and without other hosts."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

DOCS_STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 Georgia, serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
h2 { font-size: 1.1rem; margin-top: 2.2rem; border-top: 1px solid; padding-top: 1rem; }
code, pre { font-family: Menlo, Consolas, monospace; font-size: .85rem; }
pre { overflow-x: auto; padding: .6rem; border: 1px solid; }
td, th { text-align: left; vertical-align: top; padding: .1rem .8rem .1rem 0; }
"""


def documentation(description: Mapping[str, Any]) -> str:
    """OpenAPI's description of the API -> a page of HTML."""
    info = description["info"]
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>API: {escape(info['title'])}</title><style>{DOCS_STYLE}</style></head><body>",
        f"<h1>{escape(info['title'])}</h1><p>{escape(info['description'])}</p>",
        f"<p>API of version {escape(info['version'])}. For programs: ",
        '<a href="openapi.json">openapi.json</a>. A refusal is a sentence: ',
        '<code>{"detail": "…"}</code>.</p>',
    ]
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts += operation_parts(method.upper(), path, operation, description)
    return "".join([*parts, "</body></html>"])


def operation_parts(
    method: str, path: str, operation: Mapping[str, Any], description: Mapping[str, Any]
) -> Iterator[str]:
    """One route: what it does, what it takes, and a command that asks it."""
    yield f"<h2><code>{method} {escape(path)}</code></h2>"
    for paragraph in operation.get("description", "").split("\n\n"):
        yield f"<p>{escape(paragraph)}</p>"
    rows = [(one["name"], one["schema"]) for one in operation.get("parameters", [])]
    for kind, content in operation.get("requestBody", {}).get("content", {}).items():
        schema = resolved(content["schema"], description)
        yield f"<p>Body: <code>{escape(kind)}</code></p>"
        rows += schema.get("properties", {}).items()
    if rows:
        yield "<table>"
        for name, schema in rows:
            yield f"<tr><td><code>{escape(name)}</code></td>"
            yield f"<td>{escape(told_value(schema))}</td></tr>"
        yield "</table>"
    yield f"<pre>{escape(command_of(method, path, operation))}</pre>"


def resolved(schema: Mapping[str, Any], description: Mapping[str, Any]) -> Mapping[str, Any]:
    """A schema, or the one that it refers to."""
    name = schema.get("$ref", "").rpartition("/")[2]
    return description["components"]["schemas"][name] if name else schema


def told_value(schema: Mapping[str, Any]) -> str:
    """What a value may be, in a line."""
    kinds = [schema, *schema.get("anyOf", [])]
    found = {key: value for kind in kinds for key, value in kind.items()}
    words = [schema.get("description", "")]
    if "minimum" in found and "maximum" in found:
        words.append(f"{found['minimum']:g} to {found['maximum']:g}")
    if "enum" in found:
        words.append(" or ".join(map(str, found["enum"])))
    if schema.get("default") not in (None, ""):
        words.append(f"default {schema['default']}")
    return "; ".join(filter(None, words))


def command_of(method: str, path: str, operation: Mapping[str, Any]) -> str:
    """A command that asks the route; SERVER is the address of this page."""
    address = f"SERVER{path.replace('{seed}', '7')}"
    kinds = operation.get("requestBody", {}).get("content", {})
    if method == "GET":
        return f"curl {address}" + (" -o 7.png" if path.endswith(".png") else "")
    if "image/*" in kinds:
        return f"curl {address} --data-binary @plate.png -H 'Content-Type: image/png'"
    body = json.dumps({"prompt": "two small ships", "n": 2, "seed": 7})
    return f"curl {address} -H 'Content-Type: application/json' -d '{body}'"
