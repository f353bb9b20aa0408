#!/usr/bin/env python3
"""Drives `oap-conform lsp` as an editor does, over standard input and output, and holds every answer against the protocol's shapes.

    python3 .ci/editor.py [oap-conform]      the binary; target/release/oap-conform by default

Needs Python 3.9 and nothing else. `.ci/editor_peer.py` does the same with a client that was written elsewhere.
"""

import json
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(__file__).resolve().parent.parent
# Longest wait for one answer, in seconds.
LIMIT = 20

# A name that is nearly one of the model, an intent that names nothing.
BROKEN = """# kept
name: demo
version: 1.0.0
actions:
  - name: look_up
    type: invoke_api
    endpoint: https://api.example/things
    methd: GET
    description: Looks things up.
    input_schema: {type: object}
    output_schema: {type: object}
intents:
  - name: find
    actions: [look_upp]
"""

# What only the suite's loader knows: an expectation that names a check that is none.
CASE = """id: MAN-001-editor
title: an editor
requirements: [MAN-001]
profile: core
steps:
  - get: /health
    expect: {status: nothing}
"""


class Editor:
    """A client: requests with answers, and diagnostics as they come."""

    def __init__(self, binary, folder):
        self.process = subprocess.Popen([binary, "lsp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=folder)
        self.answers, self.published, self.last = queue.Queue(), queue.Queue(), 0
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        stream = self.process.stdout
        while True:
            length = None
            while (line := stream.readline()) not in (b"\r\n", b""):
                name, _, value = line.decode("ascii").partition(":")
                if name.lower() == "content-length":
                    length = int(value)
            if length is None:
                self.answers.put(None)
                return
            message = json.loads(stream.read(length).decode("utf-8"))
            assert message["jsonrpc"] == "2.0", message
            if message.get("method") == "textDocument/publishDiagnostics":
                self.published.put(message["params"])
            else:
                self.answers.put(message)

    def send(self, message):
        body = json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode("utf-8")
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self.process.stdin.flush()

    def ask(self, method, parameters):
        self.last += 1
        self.send({"id": self.last, "method": method, "params": parameters})
        answer = self.answers.get(timeout=LIMIT)
        assert answer and answer["id"] == self.last and "error" not in answer, (method, answer)
        return answer["result"]

    def tell(self, method, parameters):
        self.send({"method": method, "params": parameters})

    def show(self, uri, version, text):
        """Opens a text or changes it; answers its diagnostics."""
        document = {"uri": uri, "version": version}
        if version == 1:
            document.update(languageId="yaml", text=text)
            self.tell("textDocument/didOpen", {"textDocument": document})
        else:
            self.tell("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        told = self.published.get(timeout=LIMIT)
        assert told["uri"] == uri and told["version"] == version, told
        for one in told["diagnostics"]:
            hold_range(one["range"], text)
            assert one["severity"] in (1, 2, 3, 4) and one["source"] == "oap-conform", one
            assert isinstance(one["code"], str) and isinstance(one["message"], str) and one["message"], one
        return told["diagnostics"]

    def complete(self, uri, text, line, character):
        place = {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}
        listed = self.ask("textDocument/completion", place)
        assert listed["isIncomplete"] is False, listed
        for item in listed["items"]:
            assert isinstance(item["label"], str) and 1 <= item["kind"] <= 25, item
            hold_range(item["textEdit"]["range"], text)
        return {item["label"] for item in listed["items"]}


def hold_range(given, text):
    """Lines and UTF-16 units of a text, the end not before the beginning."""
    lines = text.split("\n")
    start, end = given["start"], given["end"]
    for place in (start, end):
        assert 0 <= place["line"] < len(lines), (given, len(lines))
        units = len(lines[place["line"]].encode("utf-16-le")) // 2
        assert 0 <= place["character"] <= units, (given, units)
    assert (start["line"], start["character"]) <= (end["line"], end["character"]), given


def edited(text, edits):
    """The text with edits made, the last one first."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    at = lambda place: starts[place["line"]] + place["character"]
    for edit in sorted(edits, key=lambda edit: at(edit["range"]["start"]), reverse=True):
        text = text[: at(edit["range"]["start"])] + edit["newText"] + text[at(edit["range"]["end"]) :]
    return text


def talk(editor, folder):
    started = editor.ask("initialize", {"processId": None, "rootUri": None, "capabilities": {}})
    for name in ("hoverProvider", "completionProvider", "codeActionProvider", "textDocumentSync"):
        assert started["capabilities"][name], started
    assert started["serverInfo"]["name"] == "oap-conform", started
    editor.tell("initialized", {})

    uri = (folder / "demo.yaml").as_uri()
    first = editor.show(uri, 1, BROKEN)
    codes = {one["code"] for one in first}
    assert {"unknown_member", "unknown_action"} <= codes, codes
    wrong = next(one for one in first if one["code"] == "unknown_member")
    assert BROKEN.split("\n")[wrong["range"]["start"]["line"]].strip() == "methd: GET", wrong

    actions = editor.ask(
        "textDocument/codeAction",
        {"textDocument": {"uri": uri}, "range": wrong["range"], "context": {"diagnostics": [wrong]}},
    )
    mends = [action for action in actions if action["kind"] == "quickfix"]
    assert mends and all(action["title"] for action in mends), actions
    mended = edited(BROKEN, mends[0]["edit"]["changes"][uri])
    assert mended == BROKEN.replace("methd", "method"), mended
    everything = [action for action in actions if action["kind"] == "source.fixAll.oap-conform"]
    whole = edited(BROKEN, everything[0]["edit"]["changes"][uri])
    left = {one["code"] for one in editor.show(uri, 2, whole)}
    assert whole.startswith("# kept\n") and not left & {"unknown_member", "unknown_action"}, (whole, left)

    place = {"textDocument": {"uri": uri}, "position": {"line": 5, "character": 6}}
    hover = editor.ask("textDocument/hover", place)
    assert hover["contents"]["kind"] == "markdown" and "How the action is carried out" in hover["contents"]["value"], hover

    half = BROKEN.replace("    methd: GET\n", "    time")
    editor.show(uri, 3, half)
    assert "timeout_ms" in editor.complete(uri, half, 7, 8)

    # A list that is just opened, in a text that never did read.
    fresh = (folder / "fresh.yaml").as_uri()
    opened = BROKEN.replace("[look_upp]\n", "[")
    assert editor.show(fresh, 1, opened), "what does not read is told"
    lines = opened.split("\n")
    assert "look_up" in editor.complete(fresh, opened, len(lines) - 1, len(lines[-1]))

    # What the suite's loader refuses is told as `lint` tells it.
    (folder / "MAN-001-editor.yaml").write_text(CASE)
    told = subprocess.run([editor.process.args[0], "lint", "MAN-001-editor.yaml", "--format", "json"], cwd=folder, capture_output=True)
    wanted = {one["rule"] for one in json.loads(told.stdout)["files"][0]["findings"]}
    case = editor.show((folder / "MAN-001-editor.yaml").as_uri(), 1, CASE)
    assert wanted and {one["code"] for one in case} == wanted, (case, wanted)

    editor.tell("textDocument/didClose", {"textDocument": {"uri": uri}})
    assert editor.published.get(timeout=LIMIT)["diagnostics"] == []
    assert editor.ask("shutdown", None) is None
    editor.tell("exit", None)
    assert editor.process.wait(timeout=LIMIT) == 0


def main():
    binary = str(pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "target/release/oap-conform").resolve())
    with tempfile.TemporaryDirectory() as folder:
        editor = Editor(binary, folder)
        try:
            talk(editor, pathlib.Path(folder).resolve())
        finally:
            if editor.process.poll() is None:
                editor.process.kill()
    print("editor: diagnostics, changes, hover and completion, in the shapes of the protocol")


if __name__ == "__main__":
    main()
