"""From a command line to an exit code: the parser is made from the verbs, and every error becomes one line on
stderr."""

import os
import sys
import time
from argparse import SUPPRESS, ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from herdsite.client import verbs
from herdsite.client.errors import DONE, FAILED, INTERRUPTED, MEANINGS, HerdError
from herdsite.client.herd import Herd
from herdsite.client.output import Output

ABOUT = "Runs databases of a herdsite from anywhere, over its API."
MANNERS = (("--json", "as_json", "print the API's JSON objects"), ("--quiet", "quiet", "print names only, or nothing"))


def main(
    words: list[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: TextIO | None = None,
    out: TextIO | None = None,
    err: TextIO | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """The exit code of one command line; what isn't given is the process's own."""
    output = Output(out or sys.stdout, err or sys.stderr)
    try:
        asked = _read(words)
        output.as_json, output.quiet = asked.as_json, asked.quiet
        herd = Herd(asked, output, os.environ if env is None else env, stdin or sys.stdin, sleep)
        try:
            code = verbs.BY_NAME[asked.verb].run(herd)
        finally:
            herd.close()
        output.out.flush()
        return code
    except HerdError as error:
        output.complain(str(error))
        return error.code
    except KeyboardInterrupt:
        output.complain("Interrupted.")
        return INTERRUPTED
    except BrokenPipeError:
        # Who read has seen enough. Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except OSError as error:
        output.complain(f"{error.filename or 'This machine'}: {error.strerror or error}.")
        return FAILED


def parser() -> ArgumentParser:
    made = ArgumentParser(
        "herd",
        description=ABOUT,
        epilog=_epilog(),
        formatter_class=_Help,
        allow_abbrev=False,
    )
    made.set_defaults(rest=[])
    _manners(made, False)
    below = made.add_subparsers(dest="verb", metavar="VERB", required=True, title="verbs")
    for verb in verbs.ALL:
        shown: dict[str, Any] = {} if verb.hidden else {"help": verb.help}
        examples = "\n".join(f"  {example}" for example in verb.examples)
        one = below.add_parser(
            verb.name,
            description=verb.help[0].upper() + verb.help[1:] + ".",
            formatter_class=_Help,
            allow_abbrev=False,
            **shown,
        )
        verb.takes(one)
        _manners(one, SUPPRESS)
        one.epilog = "\n\n".join(filter(None, (one.epilog, f"examples:\n{examples}")))
        if verb.name == "complete":
            one.set_defaults(
                verbs=[known.name for known in verbs.ALL if not known.hidden],
                options={name: list(known._option_string_actions) for name, known in below.choices.items()},
            )
    return made


class _Help(RawDescriptionHelpFormatter):
    """With room for the longest verb."""

    def __init__(self, prog: str):
        super().__init__(prog, max_help_position=30)


def _read(words: list[str]) -> Namespace:
    """Exits with 2 at once where it makes no sense, as argparse does."""
    words, rest = list(words), []
    if words:
        words = verbs.unaliased(words)
    if words[:1] == ["psql"] and "--" in words:
        cut = words.index("--")
        words, rest = words[:cut], words[cut + 1 :]
    asked = parser().parse_args(words)
    asked.rest = rest
    return asked


def _manners(one: ArgumentParser, default: object) -> None:
    """On either side of the verb."""
    for option, dest, help in MANNERS:
        also = ("-q",) if dest == "quiet" else ()
        one.add_argument(*also, option, dest=dest, action="store_true", default=default, help=help)


def _epilog() -> str:
    codes = "\n".join(f"  {code:<4} {meaning}" for code, meaning in MEANINGS.items())
    return (
        "`herd VERB --help` says what a verb takes, with an example. Verbs of heroku's command line work too:\n"
        "`herd pg:info NAME` and so on.\n\n"
        "environment:\n"
        "  HERD_URL, HERD_TOKEN  the server and the token, before those kept by `herd login`\n"
        "  HERD_PLAIN_HTTP=1     a token may travel unencrypted to another machine\n"
        "  SSL_CERT_FILE         certificates to trust, if the server's is not publicly trusted\n\n"
        f"exit codes:\n{codes}"
    )
