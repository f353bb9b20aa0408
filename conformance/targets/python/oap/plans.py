"""What the model may answer in a session: the form of a plan and the checks before anything runs (spec plans.md)."""

import re

from .errors import error_object
from .jsontext import JsonError, parse

MAX_REPLY, ATTEMPTS = 256 * 1024, 3
_FENCE = re.compile(r"[ \t\r\n]*```[A-Za-z0-9_+-]*[ \t]*\r?\n(.*?)\r?\n?```[ \t\r\n]*", re.S)


def without_fence(text):
    """The text inside one Markdown code fence that surrounds all of it, or the text as it is."""
    match = _FENCE.fullmatch(text)
    return match.group(1) if match and "```" not in match.group(1) else text


def form_problem(plan):
    """Why a JSON value is no plan, or None."""
    if not isinstance(plan, dict):
        return "the reply is not one JSON object"
    if "summary" in plan and not isinstance(plan["summary"], str):
        return "summary must be a string"
    if "finished" in plan:
        if "action" in plan or "args" in plan:
            return "a finish has neither action nor args"
        return None if plan["finished"] is True else "finished must be true"
    if not isinstance(plan.get("action"), str):
        return "action must be a string"
    return None if isinstance(plan.get("args"), dict) else "args must be an object"


def check_plan(plan, actions):
    """(action or None for a finish, errors) of a JSON value; `actions` are those that the session may use."""
    problem = form_problem(plan)
    if problem:
        return None, [error_object("invalid_plan", problem)]
    if "finished" in plan:
        return None, []
    action = actions.get(plan["action"])
    if action is None:
        return None, [error_object("undeclared_action", "there is no action of this name")]
    violations = action.input_schema.violations(plan["args"])
    if violations:
        message = f"the arguments of {action.name} do not satisfy its input_schema"
        return None, [error_object("input_validation_failed", message, {"violations": violations})]
    return action, []


def check_reply(text, actions, redactor=None):
    """(plan, action, errors) of a reply's text; a refused reply has errors and no plan."""
    if text is None or len(text.encode("utf-8")) > MAX_REPLY:
        return None, None, [error_object("invalid_plan", "the reply has no text" if text is None else "the reply is too long")]
    try:
        plan = parse(without_fence(text))
    except JsonError as error:
        return None, None, [error_object("invalid_plan", error.message.replace("the text", "the reply"))]
    if redactor:
        plan = redactor.value(plan)
    action, errors = check_plan(plan, actions)
    return (None, None, errors) if errors else (plan, action, [])
