"""Every function, type and relation in SQL of ours names its schema: a customer may put one of the same name before
PostgreSQL's own, wherever a search_path leads. PostgreSQL's own parser finds them, in the files of SQL, in every string
of the modules that send SQL to the herd, and in what those strings have PostgreSQL format."""

import ast
import re
from collections.abc import Iterator, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pglast
import pytest
from pglast.visitors import Visitor

ROOT = Path(__file__).parents[2]
QUERIES = sorted((ROOT / "fleet/postgres/queries").glob("*.sql"))
FOLDERS = ("fleet/actions", "fleet/archives", "fleet/logical", "fleet/postgres", "fleet/providers", "fleet/transports")
# These hold patterns of what a dump says, and send nothing of their own.
PATTERNS = ("leaving.py", "reading.py")
MODULES = sorted(
    path
    for folder in (*FOLDERS, "incidents/resolvers", "observations/probes")
    for path in (ROOT / folder).rglob("*.py")
    if path.name not in ("fake.py", *PATTERNS)
)
VERBS = (
    "ALTER|ANALYZE|BEGIN|CALL|CHECKPOINT|COPY|CREATE|DELETE|DO|DROP|GRANT|INSERT|REVOKE|SELECT|SET|TABLE|UPDATE|WITH"
)
STATEMENT = re.compile(rf"\s*\(?\s*({VERBS})\s[^a-z]*\S*")
# SQL in a shell script: what psql is given as an argument, or on its stdin.
IN_SHELL = re.compile(
    rf"""<<'?SQL'?[^\n]*\n(.*?)\nSQL|"(\s*(?:{VERBS})\s[^"]*)"|'(\s*(?:{VERBS})\s[^']*)'""", re.DOTALL
)
HOLE = "hole"
# What takes a name from PostgreSQL whatever search_path says, in a string that is no statement by itself.
FRAGMENT = re.compile(r"(?<![\w.])pg_(?!catalog)[a-z_]+\((?!\))|\b(?:FROM|JOIN) pg_(?!catalog\.)\w+")


class Unqualified(Visitor):
    """Gathers the names of functions, types and relations that stand without a schema."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []
        self.known: set[str] = set()

    def visit_CommonTableExpr(self, _ancestors, node):
        self.known.add(node.ctename)

    def visit_RangeVar(self, _ancestors, node):
        if node.schemaname is None:
            self.names.append(node.relname)

    def visit_FuncCall(self, _ancestors, node):
        self._see(node.funcname)
        if node.funcname[-1].sval == "format" and isinstance(node.args[0], pglast.ast.A_Const):
            text = re.sub("%[IsL]", HOLE, node.args[0].val.sval)
            try:
                self.names += unqualified(text)
            except pglast.parser.ParseError:
                self.names += re.findall(r"(?<![.\w])(\w+)\(", text)

    def visit_TypeName(self, _ancestors, node):
        self._see(node.names)

    def visit_ObjectWithArgs(self, _ancestors, node):
        self._see(node.objname)

    def _see(self, names) -> None:
        if len(names) == 1:
            self.names.append(names[0].sval)


def unqualified(text: str) -> list[str]:
    """The names in these statements that lack their schema. Fails for what PostgreSQL could not parse."""
    found = Unqualified()
    found(pglast.parse_sql(text))
    return [name for name in found.names if name not in found.known and name != HOLE]


def plain(text: str) -> str:
    """SQL for psql as SQL for PostgreSQL: its commands end statements, its variables are values and names."""
    text = re.sub(r"\\gexec|\\gset", ";", text)
    text = re.sub(r":'\w+'", "'value'", text)
    return re.sub(r":\"\w+\"", HOLE, re.sub(r"\$\w+", HOLE, text))


def statements(text: str) -> Iterator[str]:
    """The SQL in a string of ours: all of it, or what a shell script sends."""
    if STATEMENT.match(text):
        yield plain(f"SELECT FROM {text}" if text.lstrip().startswith("(") else text)
    else:
        for match in IN_SHELL.finditer(text):
            yield plain(next(group for group in match.groups() if group))


def strings(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Every string of a module with its line. What it is formatted with is put in where the module itself knows it; for
    the rest it is told in several ways, of which one is SQL if it is."""
    module = import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))
    tree = ast.parse(path.read_text())
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in ast.walk(node)}
    prose = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        if node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            ways = [(call, name) for call in ("", HOLE) for name in (HOLE, "")]
            yield node.lineno, ["".join(rendered(part, module, *way) for part in node.values) for way in ways]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and not {id(node)} & (inner | prose):
            yield node.lineno, [node.value]


def rendered(part: ast.expr, module: ModuleType, call: str, name: str) -> str:
    """A part of an f-string; `call` and `name` stand for what is known only when it is run."""
    if isinstance(part, ast.Constant):
        return str(part.value)
    assert isinstance(part, ast.FormattedValue)
    text = ast.unparse(part.value)
    try:
        return str(eval(text, vars(module)))
    except Exception:
        if part.format_spec:
            return "1"
        if isinstance(part.value, ast.Call):
            return {"ident": HOLE, "deputy_name": HOLE, "literal": f"'{HOLE}'"}.get(text.partition("(")[0], call)
        return f"'{HOLE}'" if text.startswith("literal(") else name


def lacking(ways: Sequence[str]) -> list[str]:
    """What lacks its schema in a string that is told in several ways; why none of them is SQL if it should be."""
    why = []
    for told in filter(None, (list(statements(text)) for text in ways)):
        try:
            return [name for statement in told for name in unqualified(statement)]
        except pglast.parser.ParseError as error:
            why = [f"{error}: {told}"]
    return why


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.name)
def test_every_query_names_its_schemas(path: Path) -> None:
    assert unqualified(path.read_text()) == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_statement_in_a_module_names_its_schemas(path: Path) -> None:
    found = {}
    for line, ways in strings(path):
        if names := lacking(ways):
            found[line] = names
        if fragments := FRAGMENT.findall(ways[0]):
            found[line] = fragments
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "SELECT now()",
        "SELECT 1 FROM pg_class",
        "SELECT '1'::text",
        "SELECT pg_catalog.format('SELECT count(*) FROM %I.%I', 'a', 'b')",
        "WITH a AS (SELECT pg_catalog.now()) SELECT * FROM a, pg_class",
        "GRANT EXECUTE ON FUNCTION pg_ls_dir(pg_catalog.text) TO a",
        "SELECT 1 WHERE EXISTS (SELECT FROM pg_catalog.pg_class WHERE oid = 'a'::regclass)",
    ],
)
def test_the_check_finds_each_kind_of_name(text: str) -> None:
    assert len(unqualified(text)) == 1


def test_the_check_finds_sql_in_scripts() -> None:
    script = """psql -c 'SELECT now()'\npsql <<'SQL'\nSELECT age() \\gexec\nSQL\nsuperuser -c "SELECT 1
    FROM pg_class" """
    assert [name for text in statements(script) for name in unqualified(text)] == ["now", "age", "pg_class"]
