"""The page of error messages: found in the program's source, none written by hand.

A message is the text that is given as the rule of a `Problem`, or of another class with a field `rule`; the
text of an exception that is raised; or what was seen, of a piece of advice and of a finding of the doctor.
What to do is the hint beside it, why the docstrings of the function and of the module that say it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from itertools import chain
from pathlib import Path

from scripts.message_texts import VALUE, Program, Text, name_of, pattern, without_singular
from scripts.source_tree import Module, Scope

ROOT = Path(__file__).resolve().parent.parent

FEWEST_LETTERS = 5
"""A text with fewer letters of its own is another message, passed on."""
ENOUGH_LETTERS = 10
"""A message with fewer letters beside its function's arguments is one of those who call the function."""
BUILT_IN = ("ValueError", "TypeError", "OSError", "Exception")
"""Python's own exceptions, whose text the program shows in a message of its own."""
SAID = ("rule", "seen")
ADVISED = ("hint", "fix")
REASONS = ("reason", "why")


@dataclass(frozen=True)
class Message:
    """One message: its words, what to do, why, and who says it."""

    words: str
    todo: tuple[str, ...]
    why: tuple[str, ...]
    module: str
    title: str  # what the module is for
    rule: str  # what the function checks
    line: int


@cache
def program() -> Program:
    """Return the program's source, read once."""
    return Program(ROOT, "mlpcli")


@cache
def messages() -> tuple[Message, ...]:
    """Return every message of the program, by module and line."""
    said = [*find(program()), *_from_the_rules(program()), *_from_the_schema()]
    found: dict[str, Message] = {}
    for each in sorted(said, key=lambda item: (item.module, item.line)):
        known = found.get(each.words)
        if known is not None:
            each = replace(known, todo=_merged(known.todo, each.todo), why=_merged(known.why, each.why))
        found[each.words] = each
    return tuple(found.values())


def unread() -> list[str]:
    """Return the problems in whose rule no text of the program's was found, as `module: expression`."""
    found = []
    for module, call, fields in _calls(program()):
        said = _argument(call, fields, SAID) if len(fields) > 1 else None
        if said is not None and not any(program().texts(said, _scope(module, call))):
            found.append(f"{module.name}: {ast.unparse(said)}")
    return found


def _merged(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*first, *second)))


# ---------------------------------------------------------------- find


def _calls(source: Program) -> Iterator[tuple[Module, ast.Call, tuple[str, ...]]]:
    """Yield the calls that say a message, with the names of the fields of what they make."""
    classes = dict(_classes(source))
    for module in source.modules.values():
        for call in module.calls:
            name = name_of(call.func)
            if name in classes and _classes_known(module, name, source):
                yield module, call, classes[name]
            elif name in BUILT_IN and isinstance(module.parents.get(call), ast.Raise):
                yield module, call, ("rule",)


def _classes(source: Program) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the classes of messages, and the exceptions, with their fields in order."""
    bases = {
        node.name: [name_of(base) for base in node.bases]
        for module in source.modules.values()
        for node in module.tree.body
        if isinstance(node, ast.ClassDef)
    }
    for module in source.modules.values():
        for node in module.tree.body:
            if not isinstance(node, ast.ClassDef):
                continue
            fields = tuple(
                each.target.id
                for each in node.body
                if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name)
            )
            if "rule" in fields or {"seen", "fix"} <= {*fields}:
                yield node.name, fields
            elif _is_exception(node.name, bases):
                yield node.name, ("rule",)


def _is_exception(name: str, bases: dict[str, list[str]]) -> bool:
    return name in BUILT_IN or any(_is_exception(base, bases) for base in bases.get(name, ()) if base != name)


def _classes_known(module: Module, name: str, source: Program) -> bool:
    own = any(isinstance(node, ast.ClassDef) and node.name == name for node in module.tree.body)
    return own or module.imports.get(name, ("",))[0] in source.modules or name[0].isupper()


def find(source: Program) -> Iterator[Message]:
    """Yield the messages in a source, some of them several times."""
    yield from _from_calls(source)


def _from_calls(source: Program) -> Iterator[Message]:
    for module, call, fields in _calls(source):
        if (said := _argument(call, fields, SAID)) is None:
            continue
        others = [_argument(call, fields, names) for names in (ADVISED, REASONS)]
        yield from _spoken(source, said, others, _scope(module, call), call)


def _spoken(
    source: Program,
    said: ast.expr,
    others: list[ast.expr | None],
    scope: Scope,
    call: ast.Call,
) -> Iterator[Message]:
    """Yield the messages of a call; where a parameter is the message, those of the callers."""
    blind = scope.without_arguments()
    if not scope.parameters() or _letters(source.texts(said, blind)) >= ENOUGH_LETTERS:
        yield from _of(source, said, others, blind, scope, call)
        return
    callers = source.calls_of(scope)
    for module, there in callers:
        where = _scope(module, there)
        yield from _of(source, said, others, scope.called(there, where), where, there)
    if not callers:
        yield from _of(source, said, others, scope, scope, call)


def _letters(texts: list[Text]) -> int:
    """Return how many letters of its own the shortest text has."""
    return min((len(re.findall(r"[^\W\d_]", VALUE.sub("", each.words))) for each in texts), default=0)


def _of(
    source: Program,
    said: ast.expr,
    others: list[ast.expr | None],
    inside: Scope,
    where: Scope,
    call: ast.Call,
) -> Iterator[Message]:
    texts = without_singular(source.texts(said, inside))
    beside = [
        [] if each is None else without_singular(source.texts(each, inside) or source.texts(each, where))
        for each in others
    ]
    function = where.function
    rule = (ast.get_docstring(function) or "").split("\n\n")[0] if function is not None else ""
    for text in texts:
        if _letters([text]) < FEWEST_LETTERS or re.search(r" ,|[,:]\s*$", text.words):
            continue
        todo, why = (tuple(dict.fromkeys(_beside(text, texts, each))) for each in beside)
        yield Message(
            " ".join(text.words.split()),
            todo,
            why,
            where.module.name,
            where.module.title,
            " ".join(rule.split()),
            call.lineno,
        )


def _beside(text: Text, texts: list[Text], others: list[Text]) -> Iterator[str]:
    """Yield the words that go with a text: of the same branch, or of no branch of another text."""
    blocks = {each.block for each in texts} - {text.block}
    same = [each for each in others if each.block and each.block == text.block]
    for each in same or [each for each in others if not each.block or each.block not in blocks]:
        if re.search(r"\w", VALUE.sub("", each.words)):
            yield " ".join(each.words.split())


def _argument(call: ast.Call, fields: tuple[str, ...], names: Iterable[str]) -> ast.expr | None:
    for name in names:
        if name in fields:
            for each in call.keywords:
                if each.arg == name:
                    return each.value
            place = fields.index(name)
            if place < len(call.args) and not isinstance(call.args[place], ast.Starred | ast.GeneratorExp):
                return call.args[place]
    return None


def _scope(module: Module, call: ast.AST) -> Scope:
    return Scope(module, module.function_of(call))


def _from_the_rules(source: Program) -> Iterator[Message]:
    """Yield the words of the rules for arguments and between them, which are made in tables."""
    from mlpcli.spec import argument_relations, argument_rules

    module = source.modules[argument_rules.__name__]
    for words in dict.fromkeys(rule.words for _, rule in argument_rules.every_rule()):
        yield Message(words, (), (), module.name, module.title, "", 0)
    module = source.modules[argument_relations.__name__]
    for relation in chain.from_iterable(argument_relations.RELATIONS.values()):
        words, hint = (re.sub(r"{(\w+)}", r"⟨\1⟩", text) for text in (relation.words, relation.hint))
        yield Message(words, (hint,) if hint else (), (), module.name, module.title, "", 0)


def _from_the_schema() -> Iterator[Message]:
    """Yield what is said of values that the spec's schema does not allow."""
    from mlpcli.spec.schema import Spec
    from scripts.build_docs import sections

    models = [("", Spec), *sections(Spec)]
    for section, model in models:
        for name, field in model.model_fields.items():  # type: ignore[attr-defined]
            if field.description:
                path = ".".join(filter(None, (section, field.alias or name)))
                words = f"{path}: must be {field.description}"
                yield Message(" ".join(words.split()), (), (), "mlpcli.spec.schema", _SCHEMA, "", 0)


_SCHEMA = "What each key of a spec takes."


# ---------------------------------------------------------------- the page

HEAD = """# Messages

Every message with which a command ends or advises, found in the program's source when this page is built.
A value that is known only when the program runs is shown by its name, ⟨so⟩.

Paste the words of a message into the search of this site, or look for them on this page. A message says, in
this order: where (file, line and column, or the row and column of the data), what holds there, what was
received, and what to do. All problems of a spec or of a file are shown at once. What a library says is passed
on as it is, such as Keras's words on a shape; that is not on this page.

| exit status | what happened |
|---|---|
| 0 | all went well; advice and findings are no errors |
| 1 | the work began and failed: it diverged, the disk was full, a worker was lost |
| 2 | something to put right first: the spec, the data, the run, or the arguments |
| 130 | Ctrl-C, or another signal; what was saved is intact, and `--resume` goes on |
"""


@cache
def page() -> str:
    """Return the page of all messages, by package and module."""
    parts = [HEAD]
    package = module = rule = None
    for each in messages():
        if (found := _package(each.module)) != package:
            package = found
            parts.append(f"\n## {_package_title(package)}\n")
        if each.module != module:
            module, rule = each.module, None
            parts.append(f"\n### {_heading(each.title)}\n")
        if each.rule != rule:
            rule = each.rule
            parts.append(f"\n{_plain(rule)}\n" if rule else "")
        parts.append(_entry(each))
    return "\n".join(part for part in parts if part) + "\n"


def _package(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _package_title(package: str) -> str:
    name = package.removeprefix("mlpcli.")
    source = program().modules.get(package)
    title = source.title.split(":")[0].rstrip(".") if source is not None else ""
    return f"{name}: {title[0].lower()}{title[1:]}" if title else name


def _heading(title: str) -> str:
    return _plain(re.split(r"(?<=[.!?]) ", title)[0].rstrip("."))


def _plain(text: str) -> str:
    return text.replace("<", "&lt;").replace("``", "`")


def _entry(message: Message) -> str:
    lines = [f"- {_code(message.words)}"]
    lines += [f"    - why: {_code(each)}" for each in message.why]
    lines += [f"    - what to do: {_code(each)}" for each in message.todo]
    return "\n".join(lines)


def _code(text: str) -> str:
    fence = "``" if "`" in text else "`"
    return f"{fence} {text} {fence}" if "`" in text else f"`{text}`"


def known(message: str) -> list[Message]:
    """Return the entries of the page that a message which a person received is of."""
    return [each for each in messages() if pattern(each.words).search(message)]
