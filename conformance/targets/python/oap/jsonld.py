"""The camelCase spelling as a JSON-LD vocabulary: inline contexts, prefixes, full IRIs; nothing is ever fetched (workflows.md 2).

`Names` is an active context. `Names.members` gives the members of one object of the model under their bare names, and
tells what has to be refused.
"""

import json
from importlib import resources

from .errors import violation
from .jsontext import escape_token

VOCABULARY = "https://open-action.example/2.0/vocab#"
_HIDING = {"@nest", "@included", "@graph", "@reverse", "@set", "@list", "@value"}
_NO_ALIAS = {"@nest", "@included", "@graph", "@reverse"}
_MAX_CHAIN = 8


def _published():
    terms = json.loads(resources.files(__package__).joinpath("published/context.json").read_text("utf-8"))["@context"]
    return {name: d if isinstance(d, dict) else {"@id": d} for name, d in terms.items() if not name.startswith("@") and name != "OpenAction"}


PUBLISHED = _published()
MEMBERS = set(PUBLISHED)


class Names:
    """What the names of an object mean, by the published context and those inline around it."""

    def __init__(self, terms=None):
        self._terms = terms if terms is not None else {"OpenAction": {"@id": VOCABULARY}}

    def enter(self, context, pointer, problems):
        """The context within an object that has `@context`; problems are appended as violations."""
        if isinstance(context, list):
            names = self
            for index, part in enumerate(context):
                if isinstance(part, (str, dict)):
                    names = names.enter(part, f"{pointer}/{index}", problems)
                else:
                    problems.append(violation(f"{pointer}/{index}", "type", "a context is an IRI or an object"))
            return names
        if isinstance(context, str):
            return self  # known or not: nothing is fetched
        if not isinstance(context, dict):
            problems.append(violation(pointer, "type", "a context is a string, an object or an array"))
            return self
        terms = dict(self._terms)
        for name, value in context.items():
            where = f"{pointer}/{escape_token(name)}"
            if name.startswith("@"):
                continue
            if isinstance(value, str):
                definition = {"@id": value, "simple": True}
            elif isinstance(value, dict):
                definition = value
            elif value is None:
                definition = {"@id": None}
            else:
                problems.append(violation(where, "type", "a term is defined by an IRI or an object"))
                continue
            if problem := self._unsafe(definition):
                problems.append(violation(where, "invalid_context", problem))
                continue
            terms[name] = definition
        names = Names(terms)
        for name in context:
            if name.startswith("@") or name not in terms:
                continue
            where = f"{pointer}/{escape_token(name)}"
            meaning = names.expand(name)
            if meaning is False:
                problems.append(violation(where, "invalid_context", "the names stand for each other in a circle or too long a chain"))
                terms.pop(name)
            elif meaning in _NO_ALIAS:
                problems.append(violation(where, "invalid_context", f"a name for {meaning} could hide members"))
                terms.pop(name)
            elif name == "OpenAction" or name in MEMBERS:
                if not names._same_as_published(name, meaning):
                    problems.append(violation(where, "protected_term", "a term of the published context cannot be given another meaning"))
                terms.pop(name)
                if name == "OpenAction":
                    terms[name] = {"@id": VOCABULARY}
        return names

    @staticmethod
    def _unsafe(definition):
        if "@context" in definition:
            return "a term cannot have a context of its own"
        if "@nest" in definition or "@reverse" in definition:
            return "a term cannot nest or reverse"
        container = definition.get("@container", [])
        if any(c not in ("@list", "@set", None) for c in (container if isinstance(container, list) else [container])):
            return "no container but @list and @set"
        if not isinstance(definition.get("@id", ""), (str, type(None))):
            return "@id is a string"
        return None

    def _same_as_published(self, name, meaning):
        if name == "OpenAction":
            return meaning == VOCABULARY
        wanted, given = PUBLISHED[name], self._terms[name]
        return meaning == VOCABULARY + name and all(wanted.get(k) == given.get(k) for k in ("@type", "@container"))

    def expand(self, name, chain=0):
        """The IRI or keyword of a name; None if it has none, False if the names run in a circle."""
        if chain > _MAX_CHAIN:
            return False
        if name.startswith("@"):
            return name
        if name in self._terms:
            value = self._terms[name].get("@id", name)
            if value is None or value.startswith("@"):
                return value
            if value == name:
                return self._prefixed(name, chain) if ":" in name else None
            if value in self._terms or ":" in value:
                return self.expand(value, chain + 1)
            # A term's @id is itself a name of the vocabulary: {"cond": "conditional"} is an alias.
            return VOCABULARY + value if value in MEMBERS else value
        return self._prefixed(name, chain)

    def _prefixed(self, name, chain):
        prefix, colon, rest = name.partition(":")
        if not colon:
            return VOCABULARY + name if name in MEMBERS else None
        if rest.startswith("//") or prefix not in self._terms or prefix == name:
            return name
        definition = self._terms[prefix]
        base = self.expand(prefix, chain + 1)
        if not base:
            return base if base is False else name
        usable = prefix == "OpenAction" or definition.get("@prefix") is True or (definition.get("simple") and base[-1:] in ":/?#[]@")
        return base + rest if usable else name

    def bare(self, name):
        """The member's bare name, a keyword, or the name as it is when nobody knows it."""
        if name in MEMBERS:
            return name
        meaning = self.expand(name)
        if meaning and meaning.startswith("@"):
            return meaning
        if meaning and meaning.startswith(VOCABULARY) and meaning[len(VOCABULARY):] in MEMBERS:
            return meaning[len(VOCABULARY):]
        return name

    def type_of(self, value):
        """`Action`, `Manifest` … for a value of @type; None for anything else."""
        if isinstance(value, list):
            value = value[0] if len(value) == 1 else None
        if not isinstance(value, str):
            return None
        meaning = self.expand(value)
        return meaning[len(VOCABULARY):] if meaning and meaning.startswith(VOCABULARY) else None

    def members(self, document, pointer, problems):
        """(names, members by bare name, original key by bare name) of one object of the model."""
        names = self
        if "@context" in document:
            names = self.enter(document["@context"], f"{pointer}/@context", problems)
        members, keys = {}, {}
        for key, value in document.items():
            bare = names.bare(key)
            if bare == "@context":
                continue
            where = f"{pointer}/{escape_token(key)}"
            if bare in _HIDING:
                problems.append(violation(where, "forbidden_keyword", f"{bare} could hide members"))
            elif bare in members:
                problems.append(violation(where, "duplicate_key", f"{bare} is given under two names"))
            else:
                members[bare], keys[bare] = value, key
        return names, members, keys
