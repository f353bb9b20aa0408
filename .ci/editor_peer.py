#!/usr/bin/env python3
"""Drives `oap-conform lsp` with a client that was written elsewhere: PyPI pygls, which holds every answer against the protocol's types.

    python3 .ci/editor_peer.py [oap-conform]      the binary; target/release/oap-conform by default

The gate uses `.ci/editor.py`, which needs no registry. This client goes into a temporary folder, in the versions below; with
OAP_EDITOR_TOOLS=FOLDER it stays there.
"""

import asyncio
import os
import pathlib
import subprocess
import sys
import tempfile
import venv

PYPI = ["pygls==2.1.1", "lsprotocol==2025.0.0"]
ROOT = pathlib.Path(__file__).resolve().parent.parent
LIMIT = 60

# A name that is nearly one of the model, an intent that names nothing, and a type that is none.
BROKEN = """# kept
name: demo
version: 1.0.0
actions:
  - name: look_up
    type: invoke_api
    endpoint: https://api.example/things
    methd: GET
    method: GET
    description: Looks things up.
    input_schema: {type: object}
    output_schema: {type: object}
intents:
  - name: find
    actions: [look_upp]
"""


def install(folder):
    python = folder / "bin" / "python3"
    if not python.exists():
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *PYPI], check=True)
    return python


async def talk(binary):
    from lsprotocol import types
    from pygls.lsp.client import LanguageClient

    published = asyncio.Queue()
    client = LanguageClient("gate", "1")

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def told(parameters):
        published.put_nowait(parameters)

    await client.start_io(binary, "lsp")
    started = await client.initialize_async(types.InitializeParams(capabilities=types.ClientCapabilities()))
    assert started.capabilities.hover_provider, started
    assert started.server_info.name == "oap-conform", started
    client.initialized(types.InitializedParams())

    uri = "file:///work/demo.yaml"
    text = types.TextDocumentIdentifier(uri=uri)
    client.text_document_did_open(
        types.DidOpenTextDocumentParams(
            text_document=types.TextDocumentItem(uri=uri, language_id="yaml", version=1, text=BROKEN)
        )
    )
    first = await published.get()
    codes = {item.code for item in first.diagnostics}
    assert first.uri == uri and first.version == 1, first
    assert "unknown_member" in codes and any("intent" in code or "action" in code for code in codes), codes

    lines = BROKEN.splitlines()
    wrong = next(item for item in first.diagnostics if item.code == "unknown_member")
    at = wrong.range.start
    shown = lines[at.line]
    assert "methd" in shown, (at, shown)

    actions = await client.text_document_code_action_async(
        types.CodeActionParams(text_document=text, range=wrong.range, context=types.CodeActionContext(diagnostics=[wrong]))
    )
    assert actions, "no change is offered"
    assert all(isinstance(action, types.CodeAction) for action in actions), actions
    edits = actions[0].edit.changes[uri]
    assert edits and all(isinstance(edit, types.TextEdit) for edit in edits), edits

    hover = await client.text_document_hover_async(
        types.HoverParams(text_document=text, position=types.Position(line=5, character=6))
    )
    assert "How the action is carried out" in hover.contents.value, hover

    # A member that is being written, in a text that does not read.
    half = BROKEN.replace("    methd: GET\n", "    time")
    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=uri, version=2),
            content_changes=[types.TextDocumentContentChangeWholeDocument(text=half)],
        )
    )
    second = await published.get()
    assert second.version == 2, second
    offered = await client.text_document_completion_async(
        types.CompletionParams(text_document=text, position=types.Position(line=7, character=8))
    )
    labels = {item.label for item in offered.items}
    assert "timeout_ms" in labels, labels

    client.text_document_did_change(
        types.DidChangeTextDocumentParams(
            text_document=types.VersionedTextDocumentIdentifier(uri=uri, version=3),
            content_changes=[
                types.TextDocumentContentChangeWholeDocument(
                    text=BROKEN.replace("    methd: GET\n", "").replace("[look_upp]", "\n      - l")
                )
            ],
        )
    )
    await published.get()
    offered = await client.text_document_completion_async(
        types.CompletionParams(text_document=text, position=types.Position(line=14, character=9))
    )
    assert "look_up" in {item.label for item in offered.items}, offered

    client.text_document_did_close(types.DidCloseTextDocumentParams(text_document=text))
    last = await published.get()
    assert not last.diagnostics, last
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()


def main():
    binary = str(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/oap-conform").resolve())
    if os.environ.get("OAP_EDITOR_INSIDE"):
        asyncio.run(asyncio.wait_for(talk(binary), LIMIT))
        print("editor: diagnostics, changes, hover and completion, as the protocol's types want them")
        return
    kept = os.environ.get("OAP_EDITOR_TOOLS")
    with tempfile.TemporaryDirectory() as folder:
        python = install(pathlib.Path(kept or folder))
        environment = dict(os.environ, OAP_EDITOR_INSIDE="1")
        sys.exit(subprocess.run([python, __file__, binary], env=environment, timeout=4 * LIMIT).returncode)


if __name__ == "__main__":
    main()
