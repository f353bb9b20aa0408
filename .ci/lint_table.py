#!/usr/bin/env python3
"""Writes the table of rules at the end of spec/lint.md anew, from `oap-conform lint --list-rules --format json` on standard input.

The gate does not run it: a test (`lint::tests::the_table_of_the_prose_is_the_table_of_the_rules`) says when it is due.
"""

import json
import pathlib
import sys

prose = pathlib.Path(__file__).parent.parent / "spec" / "lint.md"
rules = json.load(sys.stdin)["rules"]
head = prose.read_text(encoding="utf-8").split("| rule |")[0]
rows = ["| rule | group | severity | preset | fix | what is wrong |", "|---|---|---|---|---|---|"]
order = []
for rule in rules:
    if rule["group"] not in order:
        order.append(rule["group"])
for rule in sorted(rules, key=lambda rule: (order.index(rule["group"]), rule["id"])):
    fix = "" if rule["fix"] == "none" else rule["fix"]
    summary = rule["summary"].replace("|", "\\|")
    rows.append(f"| `{rule['id']}` | {rule['group']} | {rule['severity']} | {rule['preset']} | {fix} | {summary} |")
prose.write_text(head + "\n".join(rows) + "\n", encoding="utf-8")
